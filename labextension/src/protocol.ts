/**
 * The messages of the wire, generated from the server's models: do not edit, run `make types`.
 *
 * Law: one exported type for each model, with its name and its description.
 */

export type ActionCommand =
  | Propose
  | OnCharacter
  | SetReady
  | Overrule
  | Delegate
  | Direct
  | Retell
  | Undo
  | Branch
  | Lease
  | TurnResult
  | TurnFailed
  | Narrative
  | Asked
  | Advise
  | Advice;
export type JsonValue = null | boolean | number | string | JsonValue[] | {[key: string]: JsonValue};
export type ClientMessage =
  JoinSession | LeaveSession | AgentAction | StoryUpdate | UserCursor | StateSync | SystemMessage;
export type ErrorCode =
  | "append_only"
  | "archived"
  | "bad_action"
  | "bad_base"
  | "bad_id"
  | "bad_json"
  | "bad_path"
  | "bad_story"
  | "bad_value"
  | "elsewhere"
  | "ended"
  | "forbidden"
  | "id_expired"
  | "id_required"
  | "id_reused"
  | "in_flight"
  | "internal"
  | "invalid"
  | "lease_held"
  | "lost"
  | "missing_path"
  | "mixed_audience"
  | "name_taken"
  | "no_invite"
  | "no_participant"
  | "no_proposal"
  | "no_record"
  | "no_session"
  | "not_admitted"
  | "not_joined"
  | "not_your_seat"
  | "overruled"
  | "path_forbidden"
  | "phase"
  | "positional"
  | "rate"
  | "seat_taken"
  | "sees_all"
  | "session_full"
  | "stale_base"
  | "stale_epoch"
  | "stale_lease"
  | "stale_turn"
  | "state_full"
  | "test_failed"
  | "too_deep"
  | "too_large"
  | "too_many"
  | "trimmed"
  | "unavailable"
  | "unknown_character"
  | "unknown_turn"
  | "unknown_type";
export type EventData =
  | Created
  | Dealt
  | RoleChanged
  | Invited
  | Renamed
  | ViewGranted
  | SettingsChanged
  | SessionStatus
  | HostAdmitted
  | LeaseChanged
  | SeatChanged
  | Proposed
  | Withdrawn
  | Overruled
  | Ready
  | Voted
  | TurnMoved
  | Locked
  | Resolved
  | Record
  | Told
  | Advised
  | Undone
  | Edited
  | Decided
  | Chat;
export type ServerMessage =
  | LoggedEvent
  | HiddenEvent
  | SystemFrame
  | HostFrame
  | ChunkFrame
  | ArrivedFrame
  | LeftFrame
  | CursorFrame
  | SyncFrame;
export type StoryCommand = Edit | Say | Settle | RestoreEdit | Chunk;
export type SystemCommand =
  | Ping
  | Token
  | Progress
  | ClaimSession
  | SetRole
  | GrantView
  | AdmitHost
  | ChangeSettings
  | SetStatus
  | Invite
  | RevokeInvite
  | AdmitGuest
  | Rename;
export type TurnRequest = ResolveTask | NarrateTask;
export type WireEvent = LoggedEvent | HiddenEvent;

/**
 * The command is in the log, or was before. The envelope carries its `id` and the last event it made.
 */
export interface Ack {
  kind: "ack";
  outcome: "applied" | "merged" | "conflicted" | "suggested";
  sequence_id?: number;
}

export interface Propose {
  kind: "propose";
  character: string;
  action: {
    [k: string]: JsonValue;
  };
}

export interface OnCharacter {
  kind: "withdraw" | "vote" | "claim" | "release";
  character: string;
}

export interface SetReady {
  kind: "ready";
  character: string;
  ready?: boolean;
}

/**
 * A director's action in the place of what is proposed for a character; null: it is struck out.
 */
export interface Overrule {
  kind: "overrule";
  character: string;
  action: {
    [k: string]: JsonValue;
  } | null;
  reason: string;
}

/**
 * The owner of a seat lets a kernel act for it (`%%act`), or ends that.
 */
export interface Delegate {
  kind: "delegate";
  character: string;
  kernel: string;
  granted?: boolean;
}

/**
 * A word of the director on the turn machine.
 */
export interface Direct {
  kind: "start" | "lock" | "cancel" | "pause" | "resume" | "accept" | "reroll";
}

export interface Retell {
  kind: "retell";
  node?: number | null;
}

/**
 * Back to the end of the turn whose node is `to` (0: the opening; null: the turn before the current).
 */
export interface Undo {
  kind: "undo";
  to?: number | null;
}

/**
 * Go on from node `at` under a new name, or, without `at`, back to the tip of a branch that has the
 * name.
 */
export interface Branch {
  kind: "branch";
  name: string;
  at?: number | null;
}

export interface Lease {
  kind: "request_lease" | "release_lease";
}

export interface TurnResult {
  turn: number;
  attempt: number;
  token: number;
  kind: "turn_result";
  base: number;
  outcomes: Outcome[];
  changes: Change[];
  turn_complete: boolean;
  ended?: {
    [k: string]: JsonValue;
  } | null;
  made_by: MadeBy;
  records?: JsonValue[];
}

/**
 * What came of one action. `id` is unique in its turn and is what a narrative's sentences cite.
 */
export interface Outcome {
  id: string;
  character: string;
  action: {
    [k: string]: JsonValue;
  };
  outcome: "success" | "cost" | "complication" | "failure" | "refused";
  reason: string;
  by: "player" | "agent" | "understudy" | "director";
  audience: ("everyone" | "onlookers" | "director" | "sealed") | string[];
  roll?: {
    [k: string]: JsonValue;
  };
  facts?: {
    [k: string]: JsonValue;
  };
  witnesses?: string[];
}

export interface Change {
  audience: ("everyone" | "onlookers" | "director" | "sealed") | string[];
  patch: Op[];
}

/**
 * One RFC 6902 operation. `value` is required by every op but `remove`.
 */
export interface Op {
  op: "add" | "remove" | "replace" | "test";
  path: string;
  value?: JsonValue;
}

/**
 * What made a turn or its prose. `cost` is in US dollars; 0 for the offline storyteller.
 */
export interface MadeBy {
  engine: string;
  model: string | null;
  fallback: boolean;
  agents: {
    [k: string]: AgentCost;
  };
}

export interface AgentCost {
  tokens_in: number;
  tokens_out: number;
  cost: number;
  model?: string;
  fallback?: string;
  agent?: string;
}

/**
 * The agents could not resolve or tell the turn. `code` is one word; no exception text travels.
 */
export interface TurnFailed {
  turn: number;
  attempt: number;
  token: number;
  kind: "turn_failed" | "narration_failed";
  code: string;
}

/**
 * The prose of a turn: `text` for everybody, `seats` for the players of those seats alone, `so_far` what
 * happened up to here in a few public lines.
 */
export interface Narrative {
  turn: number;
  attempt: number;
  token: number;
  kind: "narrative";
  text: string;
  sentences: Sentence[];
  made_by: MadeBy;
  seats?: {
    [k: string]: SeatNarrative;
  };
  so_far?: string;
}

export interface Sentence {
  text: string;
  events: string[];
}

/**
 * A turn as one seat's character witnessed it.
 */
export interface SeatNarrative {
  text: string;
  sentences: Sentence[];
}

/**
 * What a model was asked and answered (host only), told as soon as it is known: a successor that has the
 * same question takes the answer from here.
 */
export interface Asked {
  turn: number;
  attempt: number;
  token: number;
  kind: "asked";
  key: string;
  exchange: {
    [k: string]: JsonValue;
  };
  spent: AgentCost;
}

/**
 * A seat's player asks what their character would do.
 */
export interface Advise {
  kind: "advise";
  character: string;
}

/**
 * What a character would do, for its player alone (host only). `asked`: which question of the turn it
 * answers; `action` is null where nobody could say, `words` is how it is shown; `why`: reasons, strongest
 * first; `agent`: whose class says so, where a notebook brought its own.
 */
export interface Advice {
  turn: number;
  attempt: number;
  token: number;
  kind: "advice";
  character: string;
  asked: number;
  action: {
    [k: string]: JsonValue;
  } | null;
  words?: string;
  why?: string[];
  agent?: string | null;
  spent: AgentCost;
}

/**
 * Somebody showed the server an invite and gave a name: sent by the server alone.
 */
export interface AdmitGuest {
  kind: "admit_guest";
  invite: number;
  guest: string;
  name: string;
}

export interface AdmitHost {
  kind: "admit_host";
  kernel: string;
  admitted?: boolean;
}

/**
 * A player asked what their character would do, or was answered: it stands in the seat's partition.
 */
export interface Advised {
  patch?: Op[];
  kind: "advised";
  character: string;
}

export interface AgentAction {
  session_id?: string | null;
  id?: string | null;
  epoch?: string | null;
  user_id?: JsonValue;
  timestamp?: JsonValue;
  sequence_id?: JsonValue;
  type: "agent_action";
  data:
    | Propose
    | OnCharacter
    | SetReady
    | Overrule
    | Delegate
    | Direct
    | Retell
    | Undo
    | Branch
    | Lease
    | TurnResult
    | TurnFailed
    | Narrative
    | Asked
    | Advise
    | Advice;
}

/**
 * What an agent is doing for the turn, and what the turn and the session have cost so far.
 */
export interface AgentProgress {
  kind: "progress";
  agent: string;
  text: string;
  turn: number;
  attempt: number;
  spent?: Spent;
}

/**
 * What models have cost so far, calls under way not counted.
 */
export interface Spent {
  turn: AgentCost;
  session: AgentCost;
}

export interface Arrived {
  kind: "arrived";
  user: User;
}

/**
 * Somebody as the server knows them. A kernel's `user_id` is `kernel:<kernel id>`.
 */
export interface User {
  user_id: string;
  name: string;
  kind: "person" | "kernel";
}

export interface ArrivedFrame {
  session_id?: string | null;
  user_id?: string | null;
  timestamp?: string | null;
  sequence_id?: number | null;
  id?: string | null;
  type: "join_session";
  data: Arrived;
}

/**
 * The settings to change; what is absent stays.
 */
export interface ChangeSettings {
  kind: "set_settings";
  turn_policy?: ("immediate" | "round" | "vote") | null;
  collect_timeout?: number | null;
  understudy_after?: number | null;
  review?: boolean | null;
  default_role?: ("player" | "spectator" | "none") | null;
}

export interface Chat {
  patch?: Op[];
  kind: "chat";
  text: string;
  anchor?: {
    [k: string]: JsonValue;
  };
}

/**
 * Streamed narration (host only): provisional text at `offset`, replaced by the commit.
 */
export interface Chunk {
  turn: number;
  attempt: number;
  token: number;
  kind: "narration";
  offset: number;
  text: string;
  seat?: string | null;
}

export interface ChunkFrame {
  session_id?: string | null;
  user_id?: string | null;
  timestamp?: string | null;
  sequence_id?: number | null;
  id?: string | null;
  type: "story_update";
  data: NarrationChunk;
}

/**
 * Provisional prose at `offset` (UTF-16 units) of the telling; the committed narrative replaces it.
 */
export interface NarrationChunk {
  kind: "narration";
  turn: number;
  attempt: number;
  offset: number;
  text: string;
}

/**
 * A session that a kernel made belongs to the first person who claims it.
 */
export interface ClaimSession {
  kind: "claim_session";
}

export interface JoinSession {
  session_id?: string | null;
  id?: string | null;
  epoch?: string | null;
  user_id?: JsonValue;
  timestamp?: JsonValue;
  sequence_id?: JsonValue;
  type: "join_session";
  data?: HeadEcho;
}

/**
 * Where the client's replica stands: what it was given, or nulls when it has nothing.
 */
export interface HeadEcho {
  epoch?: string | null;
  sequence_id?: number | null;
  hash?: string | null;
  view?: string | null;
  since?: number | null;
}

export interface LeaveSession {
  session_id?: string | null;
  id?: string | null;
  epoch?: string | null;
  user_id?: JsonValue;
  timestamp?: JsonValue;
  sequence_id?: JsonValue;
  type: "leave_session";
  data?: Nothing;
}

export interface Nothing {}

export interface StoryUpdate {
  session_id?: string | null;
  id?: string | null;
  epoch?: string | null;
  user_id?: JsonValue;
  timestamp?: JsonValue;
  sequence_id?: JsonValue;
  type: "story_update";
  data: Edit | Say | Settle | RestoreEdit | Chunk;
}

export interface Edit {
  kind: "edit";
  base: number;
  patch: Op[];
}

/**
 * Chat, or with `anchor` a comment on a passage.
 */
export interface Say {
  kind: "chat";
  text: string;
  anchor?: Cursor | null;
}

export interface Cursor {
  target: string;
  position?: number | null;
  selection?: [number, number] | null;
  typing?: boolean;
}

/**
 * Take or drop what a conflict record or a suggestion keeps; `record` is its path.
 */
export interface Settle {
  kind: "settle";
  record: string;
  take: boolean;
}

export interface RestoreEdit {
  kind: "restore_edit";
  sequence_id: number;
}

export interface UserCursor {
  session_id?: string | null;
  id?: string | null;
  epoch?: string | null;
  user_id?: JsonValue;
  timestamp?: JsonValue;
  sequence_id?: JsonValue;
  type: "user_cursor";
  data: Cursor;
}

export interface StateSync {
  session_id?: string | null;
  id?: string | null;
  epoch?: string | null;
  user_id?: JsonValue;
  timestamp?: JsonValue;
  sequence_id?: JsonValue;
  type: "state_sync";
  data?: HeadEcho;
}

export interface SystemMessage {
  session_id?: string | null;
  id?: string | null;
  epoch?: string | null;
  user_id?: JsonValue;
  timestamp?: JsonValue;
  sequence_id?: JsonValue;
  type: "system_message";
  data:
    | Ping
    | Token
    | Progress
    | ClaimSession
    | SetRole
    | GrantView
    | AdmitHost
    | ChangeSettings
    | SetStatus
    | Invite
    | RevokeInvite
    | AdmitGuest
    | Rename;
}

export interface Ping {
  kind: "ping";
}

/**
 * A fresh token for a connection whose own is about to expire.
 */
export interface Token {
  kind: "token";
  token: string;
}

/**
 * What an agent is doing (host only): presence, never stored. `spent`: where models play.
 */
export interface Progress {
  turn: number;
  attempt: number;
  token: number;
  kind: "progress";
  agent: string;
  text: string;
  spent?: Spent | null;
}

export interface SetRole {
  kind: "set_role";
  target: string;
  role: ("owner" | "director" | "player" | "spectator") | null;
}

export interface GrantView {
  kind: "grant_view";
  target: string;
  sees_all: boolean;
}

export interface SetStatus {
  kind: "archive" | "unarchive";
}

/**
 * Let people without an account in, as guests. `seconds`: how long the invite and its guests last.
 */
export interface Invite {
  kind: "invite";
  role: "player" | "spectator";
  uses?: number;
  seconds?: number;
}

/**
 * Nobody comes in by this invite any more, and who came by it is removed.
 */
export interface RevokeInvite {
  kind: "revoke_invite";
  invite: number;
}

/**
 * Show a guest by another name.
 */
export interface Rename {
  kind: "rename";
  target: string;
  name: string;
}

/**
 * The client's head is no point of this history: it takes the server's state.
 */
export interface Conflict {
  epoch: string;
  hash: string;
  view: string;
  presence: Present[];
  provisional: Provisional | null;
  high_water?: number;
  results?: KeptResult[];
  kind: "conflict";
  reason: string;
  state: {
    [k: string]: JsonValue;
  };
}

/**
 * Somebody with an open connection, or within the grace period of a lost one (`connections` 0).
 */
export interface Present {
  user_id: string;
  name: string;
  kind: "person" | "kernel";
  connections: number;
  doing?: string | null;
}

/**
 * What was streamed so far of the telling that is under way.
 */
export interface Provisional {
  turn: number;
  attempt: number;
  text: string;
}

/**
 * The first answer to an earlier command of this client.
 */
export interface KeptResult {
  id: string;
  sequence_id: number;
  data: Ack | ErrorReply;
}

/**
 * Why something was refused. Further fields depend on the code; `retry_after` is in seconds.
 */
export interface ErrorReply {
  kind: "error";
  level: "error";
  code: ErrorCode;
  message: string;
  retry_after?: number;
  [k: string]: unknown;
}

export interface Created {
  patch?: Op[];
  kind: "created";
  story: string;
  title: string;
}

export interface CursorFrame {
  session_id?: string | null;
  user_id?: string | null;
  timestamp?: string | null;
  sequence_id?: number | null;
  id?: string | null;
  type: "user_cursor";
  data: CursorList;
}

/**
 * The cursors that moved since the last one.
 */
export interface CursorList {
  cursors: ShownCursor[];
}

/**
 * Where a connection's cursor is. `target` null: it is gone. Positions are in UTF-16 units.
 */
export interface ShownCursor {
  user_id: string;
  connection_id: string;
  target: string | null;
  position?: number | null;
  selection?: [number, number] | null;
  typing?: boolean;
}

/**
 * What one seat, the director or nobody may see of the opening, of a turn, of its telling, or of an
 * undo.
 */
export interface Dealt {
  patch?: Op[];
  kind: "dealt";
  why: "opening" | "turn" | "telling" | "undo";
  outcomes?: Outcome[];
  narrative?: string;
  turn?: number;
  node?: number;
  sentences?: Sentence[];
}

/**
 * A conflict record or a suggestion was settled; `taken`: its kept-aside value was put in place.
 */
export interface Decided {
  patch?: Op[];
  kind: "settled";
  record: string;
  taken: boolean;
}

/**
 * What was missed, each event as it was broadcast.
 */
export interface Delta {
  epoch: string;
  hash: string;
  view: string;
  presence: Present[];
  provisional: Provisional | null;
  high_water?: number;
  results?: KeptResult[];
  kind: "delta";
  events: (LoggedEvent | HiddenEvent)[];
}

/**
 * An event of the log. `user_id` is the verified author, null for the server itself.
 */
export interface LoggedEvent {
  type: "agent_action" | "story_update" | "system_message";
  session_id: string;
  user_id: string | null;
  timestamp: string;
  sequence_id: number;
  id: string | null;
  audience: ("everyone" | "onlookers" | "director" | "sealed") | string[];
  data:
    | Created
    | Dealt
    | RoleChanged
    | Invited
    | Renamed
    | ViewGranted
    | SettingsChanged
    | SessionStatus
    | HostAdmitted
    | LeaseChanged
    | SeatChanged
    | Proposed
    | Withdrawn
    | Overruled
    | Ready
    | Voted
    | TurnMoved
    | Locked
    | Resolved
    | Record
    | Told
    | Advised
    | Undone
    | Edited
    | Decided
    | Chat;
  hash: string;
}

export interface RoleChanged {
  patch?: Op[];
  kind: "role";
  target: string;
  role: ("owner" | "director" | "player" | "spectator") | null;
  name?: string;
}

/**
 * `invited`: the invite's id is this event's sequence_id.
 */
export interface Invited {
  patch?: Op[];
  kind: "invited" | "uninvited";
  invite: number;
}

export interface Renamed {
  patch?: Op[];
  kind: "renamed";
  target: string;
  name: string;
}

export interface ViewGranted {
  patch?: Op[];
  kind: "view";
  target: string;
  sees_all: boolean;
}

export interface SettingsChanged {
  patch?: Op[];
  kind: "settings";
}

export interface SessionStatus {
  patch?: Op[];
  kind: "status";
  status: "open" | "ended" | "archived";
}

export interface HostAdmitted {
  patch?: Op[];
  kind: "host";
  kernel: string;
  admitted: boolean;
}

/**
 * `lease_granted`: its sequence_id is the fencing token of the new holder.
 */
export interface LeaseChanged {
  patch?: Op[];
  kind: "lease_granted" | "lease_lost";
  holder: string;
}

export interface SeatChanged {
  patch?: Op[];
  kind: "claimed" | "released" | "delegated" | "away" | "back" | "understudy";
  character: string;
  user: string | null;
}

export interface Proposed {
  patch?: Op[];
  kind: "proposed";
  turn: number;
  character: string;
  action: {
    [k: string]: JsonValue;
  };
}

export interface Withdrawn {
  patch?: Op[];
  kind: "withdrawn";
  turn: number;
  character: string;
}

/**
 * A director's word in the place of a player's; `action` null: the proposal is struck out.
 */
export interface Overruled {
  patch?: Op[];
  kind: "overruled";
  turn: number;
  character: string;
  action: {
    [k: string]: JsonValue;
  } | null;
  reason: string;
}

export interface Ready {
  patch?: Op[];
  kind: "ready";
  turn: number;
  character: string;
  ready: boolean;
}

export interface Voted {
  patch?: Op[];
  kind: "voted";
  turn: number;
  character: string;
}

/**
 * A step of the turn machine that has no more to tell than where it went.
 */
export interface TurnMoved {
  patch?: Op[];
  kind:
    "opened" | "cancelled" | "paused" | "resumed" | "accepted" | "failed" | "retelling" | "narration_failed";
  turn: number;
  attempt: number;
  code?: string;
}

export interface Locked {
  patch?: Op[];
  kind: "locked";
  turn: number;
  attempt: number;
  characters: string[];
  why: "ready" | "votes" | "deadline" | "director" | "immediate" | "reroll";
}

/**
 * The turn's node is this event's sequence_id, or the turn goes on collecting when it is not complete.
 */
export interface Resolved {
  patch?: Op[];
  kind: "resolved";
  turn: number;
  attempt: number;
  seed: string;
  turn_complete: boolean;
  outcomes: Outcome[];
  suggested: number;
  ended: {
    [k: string]: JsonValue;
  } | null;
  made_by: MadeBy;
}

/**
 * What a host needs to finish a turn, and what it asked and got from models: in no broadcast view.
 */
export interface Record {
  patch?: Op[];
  kind: "record";
  turn: number;
  attempt: number;
}

export interface Told {
  patch?: Op[];
  kind: "turn";
  turn: number;
  attempt: number;
  node: number;
  retold: boolean;
  narrative: string;
  sentences: Sentence[];
  made_by: MadeBy;
}

export interface Undone {
  patch?: Op[];
  kind: "undone" | "branched";
  turn: number;
  to: number;
  branch: string;
  left: number;
  edits: number[];
}

export interface Edited {
  patch?: Op[];
  kind: "edit";
  outcome: "applied" | "merged" | "conflicted" | "suggested";
  base: number;
  restores?: number;
}

/**
 * The placeholder of an event that is for others: nothing of it but its number.
 */
export interface HiddenEvent {
  type: "system_message";
  session_id: string;
  user_id: null;
  timestamp: null;
  sequence_id: number;
  id: null;
  audience: "hidden";
  data: Hidden;
  hash: string;
}

export interface Hidden {
  kind: "hidden";
}

/**
 * The server goes down in good order; come back after `reconnect_after` seconds.
 */
export interface Drain {
  kind: "drain";
  reconnect_after: number;
}

export interface FrozenProposal {
  action: {
    [k: string]: JsonValue;
  };
  user_id: string;
  overruled?: boolean;
}

/**
 * The visible partitions of the state at the head, whole.
 */
export interface FullSync {
  epoch: string;
  hash: string;
  view: string;
  presence: Present[];
  provisional: Provisional | null;
  high_water?: number;
  results?: KeptResult[];
  kind: "full_sync";
  state: {
    [k: string]: JsonValue;
  };
}

export interface HostFrame {
  session_id?: string | null;
  user_id?: string | null;
  timestamp?: string | null;
  sequence_id?: number | null;
  id?: string | null;
  type: "agent_action";
  data: ResolveTask | NarrateTask;
}

/**
 * Decide the turn on the state as of `base`; answer `turn_result` or `turn_failed`.
 */
export interface ResolveTask {
  kind: "turn_request";
  turn: number;
  attempt: number;
  branch: string;
  token: number;
  policy: "immediate" | "round" | "vote";
  seed: string;
  asked?: {
    [k: string]: JsonValue;
  };
  spent?: AgentCost;
  task: "resolve";
  base: number;
  proposals: {
    [k: string]: FrozenProposal;
  };
  agents: string[];
}

/**
 * Tell the outcomes of `node`; answer with chunks and then `narrative` or `narration_failed`.
 */
export interface NarrateTask {
  kind: "turn_request";
  turn: number;
  attempt: number;
  branch: string;
  token: number;
  policy: "immediate" | "round" | "vote";
  seed: string;
  asked?: {
    [k: string]: JsonValue;
  };
  spent?: AgentCost;
  task: "narrate";
  node: number;
  retelling: boolean;
  ended: JsonValue;
  outcomes: Outcome[];
  records: JsonValue[];
}

/**
 * Who runs the agents. `token` is the fencing token: the sequence_id of its `lease_granted` event.
 */
export interface HostState {
  holder: string | null;
  token: number;
  admitted: {
    [k: string]: number;
  };
}

/**
 * An open door to one session. Its id is the sequence_id of its `invited` event, and no credential.
 */
export interface InviteState {
  role: "player" | "spectator";
  left: number;
  until: string;
}

export interface Left {
  kind: "left";
  user: User;
}

export interface LeftFrame {
  session_id?: string | null;
  user_id?: string | null;
  timestamp?: string | null;
  sequence_id?: number | null;
  id?: string | null;
  type: "leave_session";
  data: Left;
}

/**
 * The frozen input of one attempt at a turn.
 */
export interface LockedState {
  base: number;
  proposals: {
    [k: string]: ProposalState;
  };
  agents: string[];
}

export interface ProposalState {
  character: string;
  action: {
    [k: string]: JsonValue;
  } | null;
  user_id: string;
  ready: boolean;
  at: string;
  order: number;
  overruled?: Overruling;
}

/**
 * Whose word stands in the place of the player's, and why (SPEC R66).
 */
export interface Overruling {
  by: string;
  reason: string;
}

/**
 * One resolved turn in the tree of turns.
 */
export interface NodeState {
  number: number;
  attempt: number;
  branch: string;
  parent: number;
  narration: "pending" | "told" | "failed" | "cancelled";
  end: number;
}

export interface ParticipantState {
  name: string;
  role: "owner" | "director" | "player" | "spectator";
  joined_at: string;
  view_since: number;
  sees_all?: boolean;
  guest?: number;
  has_peeked?: boolean;
}

export interface Pong {
  kind: "pong";
}

/**
 * Everybody who is here, whole.
 */
export interface PresenceList {
  kind: "presence";
  users: Present[];
}

/**
 * The partitions of the rules, for typed reading of a `State` (see `rules_of`).
 */
export interface RuleState {
  session: SessionState;
  participants: {
    [k: string]: ParticipantState;
  };
  seats: {
    [k: string]: SeatState;
  };
  turn: TurnState;
  host: HostState;
  turns: {
    [k: string]: NodeState;
  };
  branches: {
    [k: string]: number;
  };
  conflicts: {
    [k: string]: JsonValue;
  };
  suggestions: {
    [k: string]: JsonValue;
  };
  chat: {
    [k: string]: JsonValue;
  };
}

export interface SessionState {
  story: string;
  title: string;
  owner: string | null;
  created_at: string;
  status: "open" | "ended" | "archived";
  settings: Settings;
  strategies: {
    [k: string]: string;
  };
  opening: number;
  removed: {
    [k: string]: number;
  };
  peeked?: string[];
  invites?: {
    [k: string]: InviteState;
  };
  ending?: {
    [k: string]: JsonValue;
  };
  spent?: AgentCost;
  reserved_for?: string;
}

/**
 * What the owner may set for a session. Times are in seconds.
 */
export interface Settings {
  turn_policy: "immediate" | "round" | "vote";
  collect_timeout: number | null;
  understudy_after: number;
  review: boolean;
  default_role: "player" | "spectator" | "none";
}

/**
 * A character's seat. `owner` is a user id or null; `understudy` says that the agent plays for an absent
 * owner.
 */
export interface SeatState {
  name: string;
  playable: boolean;
  owner: string | null;
  understudy: boolean;
  away_until?: string;
  delegates?: string[];
}

export interface TurnState {
  number: number;
  attempt: number;
  phase:
    "lobby" | "collect" | "locked" | "resolving" | "narrating" | "review" | "paused" | "failed" | "ended";
  resume:
    | ("lobby" | "collect" | "locked" | "resolving" | "narrating" | "review" | "paused" | "failed" | "ended")
    | null;
  parent: number;
  branch: string;
  attempts: {
    [k: string]: number;
  };
  proposals: {
    [k: string]: ProposalState;
  };
  votes: {
    [k: string]: string;
  };
  locked: LockedState | null;
  node: number;
  retelling: boolean;
  pause_next: boolean;
  deadline: string | null;
  error: string | null;
}

export interface SystemFrame {
  session_id?: string | null;
  user_id?: string | null;
  timestamp?: string | null;
  sequence_id?: number | null;
  id?: string | null;
  type: "system_message";
  data: Welcome | Ack | ErrorReply | Pong | Drain | StoreNews | PresenceList | AgentProgress;
}

/**
 * First on every socket. `heartbeat`: seconds within which each side hears from the other.
 */
export interface Welcome {
  kind: "welcome";
  connection_id: string;
  user: User;
  limits: {
    [k: string]: JsonValue;
  };
  heartbeat: number;
  protocol: "novel.v1.json";
  version: string;
}

/**
 * The store is away, or back. What is sent while it is away waits, and is decided later or refused.
 */
export interface StoreNews {
  kind: "store";
  available: boolean;
}

export interface SyncFrame {
  session_id?: string | null;
  user_id?: string | null;
  timestamp?: string | null;
  sequence_id?: number | null;
  id?: string | null;
  type: "state_sync";
  data: FullSync | Conflict | Delta | UpToDate;
}

export interface UpToDate {
  epoch: string;
  hash: string;
  view: string;
  presence: Present[];
  provisional: Provisional | null;
  high_water?: number;
  results?: KeptResult[];
  kind: "up_to_date";
}

export const CLOSE_CODES = {
  "4001": "draining",
  "4002": "too slow",
  "4003": "resync needed",
  "4004": "token expired",
  "4005": "no pong",
  "4006": "rate",
  "4501": "not authenticated",
  "4503": "forbidden or revoked",
  "4508": "replaced by a newer connection of the same client",
  "4509": "frame too big",
  "4510": "protocol version"
} as const;

export const ERROR_CODES = {
  "bad_json": "the frame is not one JSON object",
  "too_large": "the frame, text, patch or batch is larger than the limit",
  "too_deep": "the JSON is nested deeper than the limit",
  "unknown_type": "no message has this type",
  "invalid": "a field is missing, unknown or of the wrong shape",
  "id_required": "a command that may change the log needs an id",
  "bad_id": "an id is '<client_id>:<n>', n from 1",
  "id_reused": "this id was used before with other content",
  "id_expired": "this id is older than the results that are kept",
  "stale_epoch": "the command was made in another history",
  "no_session": "there is no such session for you",
  "not_joined": "join the session first",
  "forbidden": "your role may not do this",
  "elsewhere": "the sessions are kept by a service; novel/api/service says where",
  "session_full": "the session has its full number of participants",
  "too_many": "a limit on sessions or connections is reached",
  "rate": "too fast; try again after retry_after seconds",
  "in_flight": "too many commands without an answer",
  "bad_path": "not a path that may be written",
  "path_forbidden": "nobody but the rules or another seat writes there",
  "mixed_audience": "one edit writes for one audience only",
  "missing_path": "the path does not exist",
  "positional": "lists are edited by element id, not by position",
  "test_failed": "a test operation did not hold",
  "bad_base": "the base lies in the future",
  "stale_base": "the value was changed since your base",
  "append_only": "this text can only be added to",
  "bad_value": "the value does not fit the path",
  "state_full": "the session's state has its full size",
  "no_record": "there is no such conflict, suggestion or edit",
  "unknown_character": "the story has no such character",
  "bad_action": "not an action that the story knows",
  "seat_taken": "somebody else has this seat",
  "not_your_seat": "this seat is not yours",
  "sees_all": "who sees more than a player may not have a seat",
  "no_proposal": "there is no such proposal",
  "overruled": "whoever directs has overruled this proposal, and alone can take that back",
  "no_invite": "this invite is over: used up, revoked, or too old",
  "no_participant": "there is no such participant",
  "phase": "not in this phase of the turn",
  "unknown_turn": "there is no such turn to return to",
  "name_taken": "the name is in use",
  "ended": "the story has ended",
  "archived": "the session is archived",
  "bad_story": "the story file cannot be used",
  "not_admitted": "this kernel was not admitted as a host",
  "lease_held": "another kernel hosts the session",
  "stale_lease": "the lease was lost to another host",
  "stale_turn": "that turn or attempt is over",
  "trimmed": "events as old as this are no longer kept",
  "lost": "the store lost this after it was acknowledged, and it could not be made again",
  "unavailable": "the store cannot be reached; the command is undecided and may be sent again",
  "internal": "the server failed at this; it is logged there under the reference"
} as const;

export const MAY = {
  "accept": [
    "owner",
    "director",
    "host"
  ],
  "admit_guest": [],
  "admit_host": [
    "owner",
    "director"
  ],
  "advice": [
    "kernel",
    "host"
  ],
  "advise": [
    "owner",
    "director",
    "player"
  ],
  "archive": [
    "owner"
  ],
  "asked": [
    "kernel",
    "host"
  ],
  "branch": [
    "owner",
    "director",
    "host"
  ],
  "cancel": [
    "owner",
    "director",
    "host"
  ],
  "chat": [
    "owner",
    "director",
    "player",
    "spectator",
    "kernel",
    "host"
  ],
  "claim": [
    "owner",
    "director",
    "player"
  ],
  "claim_session": [
    "player",
    "director",
    "spectator"
  ],
  "delegate": [
    "owner",
    "director",
    "player"
  ],
  "edit": [
    "owner",
    "director",
    "player",
    "kernel",
    "host"
  ],
  "grant_view": [
    "owner"
  ],
  "invite": [
    "owner"
  ],
  "lock": [
    "owner",
    "director",
    "host"
  ],
  "narration": [
    "kernel",
    "host"
  ],
  "narration_failed": [
    "kernel",
    "host"
  ],
  "narrative": [
    "kernel",
    "host"
  ],
  "overrule": [
    "owner",
    "director"
  ],
  "pause": [
    "owner",
    "director",
    "host"
  ],
  "ping": [
    "owner",
    "director",
    "player",
    "spectator",
    "kernel",
    "host"
  ],
  "progress": [
    "kernel",
    "host"
  ],
  "propose": [
    "owner",
    "director",
    "player",
    "kernel",
    "host"
  ],
  "ready": [
    "owner",
    "director",
    "player",
    "kernel",
    "host"
  ],
  "release": [
    "owner",
    "director",
    "player"
  ],
  "release_lease": [
    "kernel",
    "host"
  ],
  "rename": [
    "owner"
  ],
  "request_lease": [
    "kernel",
    "host"
  ],
  "reroll": [
    "owner",
    "director",
    "host"
  ],
  "restore_edit": [
    "owner",
    "director",
    "player",
    "kernel",
    "host"
  ],
  "resume": [
    "owner",
    "director",
    "host"
  ],
  "retell": [
    "owner",
    "director",
    "host"
  ],
  "revoke_invite": [
    "owner"
  ],
  "set_role": [
    "owner"
  ],
  "set_settings": [
    "owner",
    "director",
    "host"
  ],
  "settle": [
    "owner",
    "director",
    "player"
  ],
  "start": [
    "owner",
    "director",
    "host"
  ],
  "token": [
    "owner",
    "director",
    "player",
    "spectator",
    "kernel",
    "host"
  ],
  "turn_failed": [
    "kernel",
    "host"
  ],
  "turn_result": [
    "kernel",
    "host"
  ],
  "unarchive": [
    "owner"
  ],
  "undo": [
    "owner",
    "director",
    "host"
  ],
  "user_cursor": [
    "owner",
    "director",
    "player",
    "spectator",
    "kernel",
    "host"
  ],
  "vote": [
    "owner",
    "director",
    "player"
  ],
  "withdraw": [
    "owner",
    "director",
    "player",
    "kernel",
    "host"
  ]
} as const;

export const SUBPROTOCOL = "novel.v1.json" as const;

export const UNDECIDED_CODES = [
  "in_flight",
  "internal",
  "rate",
  "unavailable"
] as const;
