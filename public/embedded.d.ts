/** Path at the hub, content type and text of every file of the dashboard. */
export declare const FILES: readonly (readonly [path: string, type: string, text: string])[];
