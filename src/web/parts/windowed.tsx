// A long list of which only what can be seen is made: a thousand hosts are a thousand rows for who counts them and thirty for
// the browser. Heights are known beforehand, so nothing is measured while scrolling.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

export type Item = { readonly key: string; readonly heightPx: number };

type Props<Each extends Item> = {
  readonly items: readonly Each[];
  readonly children: (item: Each, index: number) => ComponentChildren;
  /** This one is brought into view when it changes. */
  readonly focus?: number | null;
};

/** Rows beyond the edge, so that a quick scroll shows no hole. */
const MARGIN_PX = 600;

export function Windowed<Each extends Item>({ items, children, focus = null }: Props<Each>): JSX.Element {
  const frame = useRef<HTMLDivElement>(null);
  const [[from, to], setRange] = useState<readonly [number, number]>([0, 40]);
  const tops = topsOf(items);
  const look = (): void => {
    const element = frame.current;
    if (element === null) return;
    const above = -element.getBoundingClientRect().top;
    const first = indexAt(tops, above - MARGIN_PX);
    const last = indexAt(tops, above + innerHeight + MARGIN_PX) + 1;
    setRange((was) => (was[0] === first && was[1] === last ? was : [first, last]));
  };
  useLayoutEffect(look, [items]);
  useEffect(() => {
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  });
  useLayoutEffect(() => {
    const element = frame.current;
    const item = focus === null ? undefined : items[focus];
    if (element === null || item === undefined || focus === null) return;
    const top = element.getBoundingClientRect().top + (tops[focus] ?? 0);
    const room = item.heightPx * 2;
    if (top < room) scrollBy(0, top - room);
    else if (top + item.heightPx > innerHeight - room) scrollBy(0, top + item.heightPx - innerHeight + room);
  }, [focus]);
  const end = Math.min(to, items.length);
  const start = Math.min(from, end);
  return (
    <div ref={frame} class="windowed" role="rowgroup" style={{ height: `${tops[items.length] ?? 0}px` }}>
      <div role="presentation" style={{ transform: `translateY(${tops[start] ?? 0}px)` }}>
        {items.slice(start, end).map((item, index) => children(item, start + index))}
      </div>
    </div>
  );
}

function topsOf(items: readonly Item[]): readonly number[] {
  const tops = [0];
  let top = 0;
  for (const item of items) tops.push((top += item.heightPx));
  return tops;
}

/** The item that lies at this height. */
function indexAt(tops: readonly number[], y: number): number {
  let low = 0;
  let high = Math.max(0, tops.length - 2);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((tops[middle] ?? 0) <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}
