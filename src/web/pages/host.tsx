export function Host() { return <h1>Host</h1>; }
