// Who may import whom (docs/architecture.md). Run by scripts/borders.test.ts, which also plants an offence of each kind.
/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only", "dynamic-import"] } } },
    { name: "core-imports-core", severity: "error", from: { path: "^src/core/", pathNot: "^src/core/test/" }, to: { pathNot: "^src/core/" } },
    { name: "families-know-core-and-protocol", severity: "error", from: { path: "^src/(probes|power|stores|remedies)/", pathNot: "\\.test\\.ts$" }, to: { path: "^(src|lab|sim)/", pathNot: "^src/($1|core|protocol|journal|child)/" } },
    { name: "only-stores-know-the-journal", severity: "error", from: { path: "^src/(probes|power)/" , pathNot: "\\.test\\.ts$" }, to: { path: "^src/journal/" } },
    { name: "protocol-knows-nobody", severity: "error", from: { path: "^src/protocol/", pathNot: "\\.test\\.ts$" }, to: { path: "^(src|lab|sim)/", pathNot: "^src/protocol/" } },
    { name: "child-knows-nobody", severity: "error", from: { path: "^src/child/", pathNot: "\\.test\\.ts$" }, to: { path: "^(src|lab|sim)/", pathNot: "^src/child/" } },
    { name: "lab-is-a-second-reading", severity: "error", from: { path: "^lab/" }, to: { path: "^src/(power|protocol|probes)/" } },
    { name: "cli-knows-the-contract", severity: "error", from: { path: "^src/cli/(?!commands/(watch|agent|lab|check|sim|record)\\.ts)", pathNot: "\\.test\\.ts$" }, to: { path: "^src/(core|journal|stores|power|probes|watcher|alerts)/" } },
    { name: "import-knows-the-configuration", severity: "error", from: { path: "^src/import/", pathNot: "\\.test\\.ts$" }, to: { path: "^(src|lab|sim)/", pathNot: "^src/(import|config)/" } },
    // Whoever looks round a network switches nothing: of power it knows the facts of models and the questions of an agent.
    { name: "discovery-switches-nothing", severity: "error", from: { path: "^src/discovery/", pathNot: "\\.test\\.ts$" }, to: { path: "^(src|lab|sim)/", pathNot: "^src/(discovery|config|core|probes|protocol|power/(snmp-client|snmp-models|power)\\.ts)" } },
    { name: "nothing-imports-a-shell", severity: "error", from: { path: "^src/(core|config|probes|power|stores|journal|protocol|child|process|link|alerts|discovery|import)/", pathNot: "\\.test\\.ts$" }, to: { path: "^src/(cli|api)/" } },
    { name: "process-knows-core", severity: "error", from: { path: "^src/process/", pathNot: "\\.test\\.ts$" }, to: { path: "^(src|lab|sim)/", pathNot: "^src/(process|core)/" } },
    { name: "the-link-is-nobodys", severity: "error", from: { path: "^src/link/", pathNot: "\\.test\\.ts$" }, to: { path: "^(src|lab|sim)/", pathNot: "^src/(link|core|protocol)/" } },
    { name: "the-agent-is-no-watcher", severity: "error", from: { path: "^src/agent/", pathNot: "\\.test\\.ts$" }, to: { path: "^src/(watcher|api|journal|stores|power|cli|alerts|web)/" } },
    { name: "parts-know-no-other-part", severity: "error", from: { path: "^src/agent/([^/]+)/", pathNot: "\\.test\\.ts$" }, to: { path: "^src/agent/[^/]+/", pathNot: "^src/agent/$1/" } },
    { name: "careful-looks-only", severity: "error", from: { path: "^src/careful/", pathNot: "\\.test\\.ts$" }, to: { path: "^(src|lab|sim)/", pathNot: "^src/(careful|core|config|probes|protocol|child|process)/" } },
    { name: "nobody-imports-the-agent", severity: "error", from: { path: "^(src|sim|lab)/", pathNot: "^src/agent/|\\.test\\.ts$|-for-tests\\.ts$" }, to: { path: "^src/agent/" } },
    { name: "web-knows-the-contract", severity: "error", from: { path: "^src/web/", pathNot: "^src/web/test/" }, to: { path: "^(src|lab|sim)/", pathNot: "^src/(web/|api/(contract|live)\\.ts$)" } },
    { name: "web-runs-in-a-browser", severity: "error", from: { path: "^src/web/", pathNot: "^src/web/test/" }, to: { dependencyTypes: ["core"] } },
    { name: "nobody-imports-the-page", severity: "error", from: { path: "^(src|lab|sim)/", pathNot: "^src/web/" }, to: { path: "^src/web/" } },
  ],
  options: { doNotFollow: { path: "node_modules" }, tsPreCompilationDeps: true, tsConfig: { fileName: "tsconfig.json" }, exclude: { path: "\\.types/" }, moduleSystems: ["es6", "cjs"], enhancedResolveOptions: { extensions: [".ts", ".tsx", ".js", ".cjs", ".mjs", ".json"] } },
};
