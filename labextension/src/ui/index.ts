/**
 * What a host of the face imports.
 */
export { Act } from "./Act";
export { connect, type Connected, type Server } from "./connect";
export { Elsewhere, pageElsewhere } from "./Elsewhere";
export { Lobby, NewStory, begin, startAgents, type Listed, type StoryFile } from "./Lobby";
export { mount, type Mounted, type MountOptions } from "./mount";
export { refusalText } from "./refusals";
export { Rest, RestError } from "./rest";
export { asWritten, type Translation } from "./translate";
