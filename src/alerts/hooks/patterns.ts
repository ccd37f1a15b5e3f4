// What settings of web hooks look like.

/** A URL, secret or not. No user or password in it: they would be printed with it. */
export const URL_PATTERN = /^https?:\/\/[^\s/@?#]+(\/[^\s#]*)?$/;
export const SERVER_PATTERN = /^https?:\/\/[^\s/@?#]+(\/[^\s?#]*[^\s?#/])?$/;
export const SERVER_SAYS = "http:// or https://, a name, perhaps a path, and no slash at the end";
export const KEY_PATTERN = /^[A-Za-z0-9._~+/=-]{1,512}$/;
export const KEY_SAYS = "letters, digits and . _ ~ + / = -";
