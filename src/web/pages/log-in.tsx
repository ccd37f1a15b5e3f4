export function LogIn() { return <h1>LogIn</h1>; }
