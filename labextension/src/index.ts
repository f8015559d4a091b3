/**
 * The browser's half of the protocol: types, reducer, connection.
 *
 * Law: whatever a face or a test needs is named here; the rest is this package's own business.
 */
export type * from "./protocol";
export { CLOSE_CODES, ERROR_CODES, MAY, SUBPROTOCOL, UNDECIDED_CODES } from "./protocol";
export { canonical, equalJson, isObject, sha256, stateHash, type JsonObject } from "./json";
export { PatchError, applyPatch, formatPointer, lookup, parsePointer, type PatchCode } from "./patch";
export { emptyReplica, headEcho, isEvent, reduce, type Head, type Replica, type Step } from "./replica";
export { QueueFull, isUndecided, type Body, type Result } from "./outbound";
export { browserEnvironment, webSockets, type Environment, type KeyValues, type Socket, type SocketEvents } from "./environment";
export type { Address } from "./addresses";
export { afterDrain, backoff, mayReconnect } from "./backoff";
export type { Suggested, Suggestion } from "./advice";
export type { Settled } from "./commands";
export { Session, type Note, type SessionStatus } from "./session";
export { Connection, type ConnectionStatus, type Options } from "./connection";
