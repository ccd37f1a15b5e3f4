// A fence agent made of a shell script and files, as strange as a test wants it: it speaks FenceAgentAPI on standard input,
// keeps each outlet in a file, and does instead whatever stands in the folder under the action's name.

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const METADATA = `<?xml version="1.0" ?>
<resource-agent name="fence_files" shortdesc="Outlets that are files">
<parameters>
  <parameter name="action" unique="0" required="1"><content type="string" default="reboot"/></parameter>
  <parameter name="ip" unique="0" required="1" obsoletes="ipaddr"><content type="string"/></parameter>
  <parameter name="ipaddr" unique="0" required="1" deprecated="1"><content type="string"/></parameter>
  <parameter name="password" unique="0" required="0" obsoletes="passwd"><content type="string"/></parameter>
  <parameter name="passwd" unique="0" required="0" deprecated="1"><content type="string"/></parameter>
  <parameter name="ssl_insecure" unique="0" required="0"><content type="boolean"/></parameter>
  <parameter name="plug" unique="0" required="1" obsoletes="port"><content type="string"/></parameter>
  <parameter name="port" unique="0" required="1" deprecated="1"><content type="string"/></parameter>
</parameters>
<actions>
  <action name="on" automatic="0"/><action name="off"/><action name="reboot"/><action name="status"/><action name="monitor"/><action name="metadata"/>
</actions>
</resource-agent>
`;

const script = (folder: string): string => `#!/bin/sh
action=reboot plug=none
cat >${folder}/input.$$
while IFS='=' read -r name value; do
  case $name in action) action=$value ;; plug) plug=$value ;; passw*) password=$value ;; esac
done <${folder}/input.$$
mv ${folder}/input.$$ ${folder}/input
[ $# = 0 ] || exit 1
env >${folder}/environment
case $action in metadata) cat ${folder}/metadata.xml; exit 0 ;; esac
[ -e ${folder}/hang ] && exec sleep 600
[ -e ${folder}/$action.sh ] && { . ${folder}/$action.sh; }
state=${folder}/state-$plug
if ! [ -e $state ]; then echo "2026-11-29 06:00:00,000 ERROR: Failed: Unable to obtain correct plug status or plug is not available" >&2; exit 1; fi
echo "logging in with $password" >&2
case $action in
  status) read -r now <$state; echo "Status: $now"; [ "$now" = ON ] && exit 0; exit 2 ;;
  on|off)
    if [ -e ${folder}/lose-command ]; then rm ${folder}/lose-command; exec sleep 600; fi
    echo "$action $plug" >>${folder}/log
    echo $action | tr a-z A-Z >$state
    if [ -e ${folder}/lose-answer ]; then rm ${folder}/lose-answer; kill -KILL $$; fi
    echo "Success: Powered" ; exit 0 ;;
  *) echo "reboot $plug" >>${folder}/log; echo "Success: Rebooted"; exit 0 ;;
esac
`;

export type FileAgent = {
  readonly path: string;
  /** What of the last run's standard input it saw, line by line. */
  input(): readonly string[];
  environment(): readonly string[];
  commands(): readonly string[];
  state(outlet: string): "on" | "off";
  /** A shell script that runs instead of an action, and may go on with it. */
  instead(action: string, script: string): void;
  metadata(change: (text: string) => string): void;
  flag(name: "hang" | "lose-answer" | "lose-command"): void;
  close(): void;
};

export function fileAgent(outlets: readonly string[] = ["2", "3"]): FileAgent {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-fence-"));
  const path = join(folder, "fence_files");
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  const read = (name: string): string => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "");
  const lines = (name: string): readonly string[] => read(name).split("\n").filter((line) => line !== "");
  write("fence_files", script(folder));
  chmodSync(path, 0o755);
  write("metadata.xml", METADATA);
  for (const outlet of outlets) write(`state-${outlet}`, "ON\n");
  return {
    path,
    input: () => lines("input"),
    environment: () => lines("environment"),
    commands: () => lines("log"),
    state: (outlet) => (read(`state-${outlet}`).trim() === "OFF" ? "off" : "on"),
    instead: (action, text) => write(`${action}.sh`, `${text}\n`),
    metadata: (change) => write("metadata.xml", change(read("metadata.xml"))),
    flag: (name) => write(name, ""),
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
