// One incident: what became of it in a sentence, how long each part took, and the whole timeline; to be sent as a link or
// taken along as Markdown. While it is open it goes on by itself.

import { useState } from "preact/hooks";
import type { WhyReport } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { ask } from "../api.ts";
import { useAsked } from "../asked.ts";
import { nowMs } from "../live/connection.ts";
import { hosts, lines, site } from "../live/store.ts";
import { KernelSaid, LastWords } from "../parts/kernel.tsx";
import { Phases, Timeline } from "../parts/timeline.tsx";
import { At, HostName, Problem, Waiting } from "../parts/text.tsx";
import { asMarkdown, incidentInWords } from "../timeline.ts";
import { closed, sentence } from "../words.ts";
import type { PageProps } from "./index.ts";

type About = Extract<WhyReport, { kind: "incident" }>;

const SOON_MS = 43_200_000;

export function Incident({ params }: PageProps) {
  const name = params["incident"] ?? "";
  // It is asked for again at each line of the journal that belongs to it, and when the host has no open incident any more.
  const newest = lines.value.findLast((line) => line.incident === name)?.seq ?? 0;
  const open = [...hosts.value.values()].some((host) => host.report.value.incident === name);
  const { body, error, again } = useAsked<WhyReport>((signal) => ask<WhyReport>(`${PATHS.why}/${encodeURIComponent(name)}`, { signal }), [name, newest, open]);
  if (body === null) return error === null ? <Waiting what={`Reading ${name}`} /> : <Problem error={sentence(error)} onRetry={again} />;
  if (body.kind !== "incident") return <Problem error={`${name} is the name of a host, not of an incident.`} />;
  return (
    <>
      {error === null ? null : <Problem error={sentence(error)} onRetry={again} />}
      <About report={body} />
    </>
  );
}

function About({ report }: { readonly report: About }) {
  const { incident, events } = report;
  return (
    <>
      <p class="above">Incident {incident.incident}</p>
      <h1><HostName host={incident.host} /> {incidentInWords(incident, incident.outcome === "open" ? nowMs.value : 0)}.</h1>
      <p class="lead">It began at <At at={incident.began} seconds={soon(incident)} />{incident.ended === null ? "" : <> and ended at <At at={incident.ended} seconds={soon(incident)} /></>}. First bad sign: {closed(incident.firstSign)}<KernelSaid of={report.kernel} /></p>
      <Phases incident={incident} />
      <Share report={report} />
      <h2>What happened</h2>
      {report.missing === null ? null : <Problem error={`Older lines cannot be read: ${report.missing}`} />}
      <Timeline events={events} began={incident.began} />
      {/* A watcher from before 0.4.0 does not know of it. */}
      {report.kernel === null || report.kernel === undefined ? null : <LastWords of={report.kernel} name={incident.incident} seconds={soon(incident)} />}
    </>
  );
}

/** Of this day, and short: seconds are what one looks for. */
function soon({ began, ended }: About["incident"]): boolean {
  const beganMs = Date.parse(began);
  return nowMs.peek() - beganMs < SOON_MS && (ended === null || Date.parse(ended) - beganMs < SOON_MS);
}

function Share({ report: { incident, events, kernel } }: { readonly report: About }) {
  const [said, setSaid] = useState("");
  const markdown = () => asMarkdown(incident, events, site.value?.site ?? "", location.href, nowMs.peek(), kernel);
  const copy = async (text: string, done: string): Promise<void> => {
    // Over plain HTTP on another machine the browser has no clipboard to give.
    try {
      await navigator.clipboard.writeText(text);
      setSaid(done);
    } catch {
      setSaid("The browser does not let this page copy: take the file, or copy the address.");
    }
  };
  const download = (): void => {
    const url = URL.createObjectURL(new Blob([markdown()], { type: "text/markdown" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${incident.incident}.md`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  return (
    <div class="asks">
      <button type="button" onClick={() => void copy(location.href, "The link is copied.")}>Copy the link</button>
      <button type="button" onClick={() => void copy(markdown(), "The incident is copied as Markdown.")}>Copy as Markdown</button>
      <button type="button" onClick={download}>Download as Markdown</button>
      <span class="soft" role="status">{said}</span>
    </div>
  );
}
