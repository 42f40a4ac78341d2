// Asking the monitor: who asks, what they may do, and the header that changes need.

const ENDED = "solde.ended";
const LOOK_AGAIN = 500;
let me = null;

export const myself = () => me;
export const may = (scope) => me !== null && me.scopes.includes(scope);

/** Whether a transaction is one of those that this person, or program, has prepared. */
export const isMine = (ownerId) => ownerId !== null && ownerId === (me.user?.id ?? me.actor);

export async function whoAmI() {
  me = await get("api/v1/me");
  return me;
}

/** Go back to the door, which is at the same address, and let it say why. */
function leave() {
  try { sessionStorage.setItem(ENDED, "yes"); } catch { /* then it says nothing */ }
  location.reload();
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.status === 401) {
    leave();
    throw new Error("the session has ended");
  }
  return answer;
}

export async function get(path) {
  const answer = await ask(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

/** Change something. Return { ok, status, told }: `told` is the answer or the problem. */
export async function send(method, path, body, headers = {}) {
  const request = () => ask(path, {
    method,
    headers: {
      Accept: "application/json", "X-CSRF-Token": me.csrf ?? "", ...headers,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  let answer = await request();
  let told = await content(answer);
  if (answer.status === 403 && told?.code === "csrf") {
    await whoAmI(); // another tab has signed in since
    answer = await request();
    told = await content(answer);
  }
  return { ok: answer.ok, status: answer.status, told };
}

async function content(answer) {
  return answer.status === 204 ? null : answer.json();
}

export async function signOut() {
  await send("POST", "api/v1/sign-out");
  try { sessionStorage.clear(); } catch { /* nothing was kept */ }
  location.replace("./");
}

/** A key that makes a request, sent again, the same request. */
export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))]
  .map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Wait until a command has ended; return its outcome. */
export async function ended(command) {
  let standing = command;
  while (standing.outcome === null) {
    await new Promise((resolve) => { setTimeout(resolve, LOOK_AGAIN); });
    try {
      standing = await get(`api/v1/commands/${command.id}`);
    } catch (error) {
      // It was sent: without a connection, how it went is only not known yet.
      if (!(error instanceof TypeError)) throw error;
    }
  }
  return standing.outcome;
}
