/** Who is let in, described: whether a key is asked for, and the login of the dashboard. */
import { z } from "zod";
import { ROLES } from "../../policy/roles.ts";
import { loginRequest } from "../login.ts";
import { detailAnswer } from "./errors.ts";
import type { Chapter } from "./operation.ts";

export const access = z.object({
  mode: z.enum(["open", "closed"]).describe("Whether callers need a key."),
  nodes: z.enum(["open", "closed"]).describe("Whether machines need a token to join."),
  advice: z.string().nullable().describe("What to do where somebody needs neither; null where both are asked for."),
});

const accessAnswer = access
  .extend({ role: z.enum(ROLES).describe("What whoever asks may do.") })
  .partial({ nodes: true, advice: true, role: true });

const loggedIn = z.object({ name: z.string().describe("The key's name."), role: z.enum(["viewer", "admin"]) });

export const ACCESS: Chapter = {
  schemas: { Access: access, AccessAnswer: accessAnswer, LoginRequest: loginRequest, LoggedIn: loggedIn },
  operations: [
    {
      method: "GET",
      path: "/access",
      id: "showAccess",
      tag: "Access",
      summary: "Whether a key is asked for",
      description: "And what whoever asks may do. Without a key, a hub that asks for one says nothing but `mode`.",
      answers: {
        200: {
          description: "How it is now.",
          content: { "application/json": accessAnswer },
          example: {
            mode: "open",
            nodes: "closed",
            advice:
              "Everybody in this hub's network may use it: ollama-hub key add NAME --admin (or API_KEYS) asks callers for a key.",
            role: "admin",
          },
        },
      },
    },
    {
      method: "POST",
      path: "/login",
      id: "logIn",
      tag: "Access",
      summary: "Show a key once",
      description:
        "For browsers: the answer sets a cookie that stands for the key, for half a day at most. It needs a key of a " +
        "viewer or an admin, and `Content-Type: application/json`. Programs send their key with every request instead.",
      request: {
        schema: loginRequest,
        examples: {
          login: { summary: "A key, where the hub asks for none", value: { key: "ohk_example" }, status: 409 },
        },
      },
      answers: {
        200: { description: "Logged in.", content: { "application/json": loggedIn } },
        400: detailAnswer("There is no key in it.", 'expected {"key": "ohk_…"}'),
        401: detailAnswer("No key of this hub's.", "This key is not known here, or was revoked"),
        403: detailAnswer(
          "A caller's key.",
          "This key is for programs: the dashboard needs one with --viewer or --admin (ollama-hub key add)",
        ),
        409: detailAnswer("The hub is open.", "This hub is open: there is nothing to log in to"),
        415: detailAnswer("No JSON.", "expected JSON, with Content-Type: application/json"),
        429: {
          ...detailAnswer(
            "Too many keys that are none.",
            "more than 30 unknown keys a minute came from your address: try again in 2 s",
          ),
          headers: ["Retry-After"],
        },
      },
    },
    {
      method: "POST",
      path: "/logout",
      id: "logOut",
      tag: "Access",
      summary: "End a login",
      description: "The cookie is good for nothing from then on.",
      answers: { 204: { description: "It is over." } },
    },
  ],
};
