// How often either end of a link is heard, and how long it may be silent. Beside the connection, so that who only counts by it
// loads no TLS and no schema.

export const ALIVE_EVERY_MS = 10_000;
export const SILENT_MAX_MS = 30_000;
