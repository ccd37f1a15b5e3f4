// node:test's events as JSON lines, for scripts/test.ts: only what is needed to count honestly.

type Details = { type?: string; error?: { message?: string; stack?: string; cause?: { message?: string; stack?: string } }; duration_ms?: number };
type TestEvent = { type: string; data: { name?: string; nesting?: number; skip?: boolean | string; todo?: boolean | string; details?: Details; file?: string; counts?: unknown } };

export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of source) {
    if (type === "test:pass" || type === "test:fail") {
      const { details } = data;
      const error = details?.error?.cause ?? details?.error;
      yield `${JSON.stringify({ type, name: data.name, suite: details?.type === "suite", nesting: data.nesting, skip: data.skip, todo: data.todo, error: type === "test:fail" ? (error?.stack ?? error?.message ?? String(error)) : undefined })}\n`;
    } else if (type === "test:summary") {
      yield `${JSON.stringify({ type })}\n`;
    }
  }
}
