/**
 * What the server refuses, in words for people.
 *
 * Law: one text for each code that a person can meet; for the others the server's own words are shown.
 */
import type { ErrorReply } from "../protocol";
import type { Translation } from "./translate";

export function refusalText(trans: Translation, { code, message }: ErrorReply): string {
  switch (code) {
    case "forbidden":
      return trans.__("Your role may not do this: %1", message);
    case "phase":
      return trans.__("Not now: %1", message);
    case "seat_taken":
      return trans.__("Somebody else has this seat.");
    case "not_your_seat":
      return trans.__("This seat is not yours: %1", message);
    case "overruled":
      return trans.__("This was overruled and stands for the turn, unless whoever directs takes it back.");
    case "sees_all":
      return trans.__("Who sees more than a player may not have a seat.");
    case "stale_base":
      return trans.__("Somebody changed this meanwhile; look at it again.");
    case "stale_epoch":
      return trans.__("The story's history was reset; this was made in the old one.");
    case "too_large":
      return trans.__("Too long: %1", message);
    case "state_full":
      return trans.__("The session is full; take something out first.");
    case "session_full":
      return trans.__("The session has its full number of people.");
    case "rate":
    case "in_flight":
      return trans.__("Too fast; it is tried again.");
    case "unavailable":
      return trans.__("The server cannot reach its store; it is tried again.");
    case "archived":
      return trans.__("The session is archived.");
    case "ended":
      return trans.__("The story has ended.");
    case "no_session":
      return trans.__("There is no such session for you.");
    case "no_invite":
      return trans.__("This invite is over: used up, revoked, or too old.");
    case "lost":
      return trans.__("The server lost this after it was acknowledged, and it could not be made again.");
    default:
      return message;
  }
}
