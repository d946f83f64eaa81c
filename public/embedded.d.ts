/** Path at the hub, content type, and where it can be read, of every file of the dashboard. */
export declare const FILES: readonly (readonly [path: string, type: string, file: string])[];
