export type Who = "Upkeep" | "fping" | "blackbox exporter" | "Monit" | "monitoring plugins" | "Prometheus and blackbox exporter";
export function keep(_x: unknown): void {}
export function documentLoads(): void {}
