// Power: which devices can be read, and who hangs on what. Whoever stands before a rack with a cable in his hand looks here.

import { nowMs } from "../live/connection.ts";
import { hosts, revision, site } from "../live/store.ts";
import { Ago, Empty, HostName, Sentence } from "../parts/text.tsx";
import { Planned } from "../parts/planned.tsx";
import type { DeviceRow, OutletRow } from "../views/power.ts";
import { devicesOf, powerHeadline, powerSayings } from "../views/power.ts";
import { listed, plural } from "../words.ts";

/** Read longer ago than this and no longer what is. */
const OLD_MS = 15 * 60_000;

export function Power() {
  const of = site.value;
  void revision.value;
  if (of === null) return null;
  const reports = [...hosts.value.values()].map((host) => host.report.value);
  const devices = devicesOf(of.devices, reports);
  const said = powerSayings(devices, reports);
  return (
    <>
      <h1>{powerHeadline(devices, of.power.state)}</h1>
      {said.length === 0 ? <p class="lead">{devices.length === 0 ? "Hosts are watched, and none is cut." : "Every outlet is proved to feed its host by a good power cycle."}</p> : <ul class="sayings">{said.map((saying, index) => <li key={index}><Sentence of={saying} /></li>)}</ul>}
      <Planned power={of.power} hosts={reports} />
      {devices.map((device) => <Device key={device.device} device={device} many={of.watchers.length > 1} />)}
    </>
  );
}

function Device({ device, many }: { readonly device: DeviceRow; readonly many: boolean }) {
  const state = device.readable === true ? "up" : device.readable === null ? "unknown" : "down";
  const old = device.at !== null && nowMs.value - Date.parse(device.at) > OLD_MS;
  return (
    <section class="card device" aria-labelledby={`device-${device.device}`}>
      <div class="device-head">
        <h2 id={`device-${device.device}`}>{device.device}</h2>
        <p class="soft">{device.driver} at {device.address}</p>
        <p class={`device-state ${state}`}>
          <svg viewBox="0 0 12 12" aria-hidden="true">{state === "up" ? <circle cx="6" cy="6" r="4.6" class="fill" /> : state === "down" ? <path d="M1 1h10v10H1Z" class="fill" /> : <circle cx="6" cy="6" r="4.4" class="dashed" />}</svg>
          {device.readable === true ? <span>read <Ago at={device.at ?? ""} /> ago{old ? ": too long to believe it" : ""}</span> : device.readable === null ? "not read yet" : <span>cannot be read{device.at === null ? "" : <> since <Ago at={device.at} /></>}</span>}
        </p>
        {many ? <p class="soft">{device.inCharge.length === 0 ? "nobody in charge" : `in charge: ${listed(device.inCharge)}`}</p> : null}
      </div>
      {device.readable === false && device.why !== null ? <p class="device-why">{device.why}</p> : null}
      {device.outlets.length === 0 ? <Empty>No host hangs on it.</Empty> : (
        <div class="table-frame" tabIndex={0} role="group" aria-label={`Outlets of ${device.device}`}>
          <table class="outlet-table stacks">
            <thead><tr><th scope="col">Outlet</th><th scope="col">Reads</th><th scope="col">Host</th><th scope="col">Its name there</th><th scope="col">Proved</th></tr></thead>
            <tbody>{device.outlets.map((outlet) => <Outlet key={outlet.outlet} outlet={outlet} />)}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Outlet({ outlet }: { readonly outlet: OutletRow }) {
  return (
    <tr>
      <th scope="row" class="outlet-name">{outlet.outlet}</th>
      <td data-label="reads"><span class={`outlet ${outlet.state}`}><b>{outlet.state === "unknown" ? "not read" : outlet.state}</b></span></td>
      <td data-label="host">{outlet.hosts.map(({ host, level, levels }) => <span key={`${host} ${level}`} class="hangs"><HostName host={host} />{levels > 1 ? <span class="soft"> level {level} of {levels}</span> : null}</span>)}{outlet.hosts.length > 1 ? <span class="tag warn">{plural(outlet.hosts.length, "host")} on one outlet</span> : null}</td>
      <td data-label="its name there"><span class="soft">{outlet.label ?? "–"}</span></td>
      <td data-label="proved">{outlet.proved ? <span>by a good cycle</span> : <span class="soft">not yet</span>}</td>
    </tr>
  );
}
