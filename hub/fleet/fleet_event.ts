/** What people should know of the fleet as it happens. */

export interface FleetEvent {
  readonly event:
    | "joined"
    | "restarted"
    | "ejected"
    | "admitted"
    | "offline"
    | "removed"
    | "lost"
    | "intent"
    | "slots"
    | "impostor";
  readonly nodeId: string;
  readonly detail: string;
}
