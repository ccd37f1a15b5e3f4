// The mark: a power symbol that is held.

export function Mark() {
  return <svg class="mark" viewBox="0 0 16 16" aria-hidden="true"><path d="M3 2v6.2a5 5 0 0 0 10 0V2" /><path d="M8 1v6" class="on" /></svg>;
}
