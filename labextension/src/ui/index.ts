/**
 * What a host of the face imports.
 */
export { connect, type Connected, type Server } from "./connect";
export { mount, type Mounted, type MountOptions } from "./mount";
export { asWritten, type Translation } from "./translate";
