// Signing in: login and password, then what the answer asks for.

const WORDS = {
  fr: {
    "wrong-credentials": "Identifiant ou mot de passe incorrect.",
    "wrong-code": "Code incorrect ou déjà utilisé : attendez le suivant.",
    "code-required": "Saisissez le code de votre application d’authentification.",
    "enrolment-required": "Enregistrez d’abord votre application d’authentification.",
    slowed: (seconds) => `Trop d’essais : attendez ${seconds} s.`,
    ended: "Votre session est terminée : identifiez-vous à nouveau.",
    failed: "Le serveur ne répond pas comme prévu. Réessayez.",
  },
  en: {
    "wrong-credentials": "Login or password is wrong.",
    "wrong-code": "The code is wrong or was used: wait for the next one.",
    "code-required": "Type the code of your authenticator app.",
    "enrolment-required": "Enrol your authenticator app first.",
    slowed: (seconds) => `Too many tries: wait ${seconds} s.`,
    ended: "Your session has ended: sign in again.",
    failed: "The server does not answer as it should. Try again.",
  },
};
const words = navigator.language.startsWith("fr") ? WORDS.fr : WORDS.en;
const at = (id) => document.getElementById(id);

function askForCode() {
  at("second").hidden = false;
  at("code").required = true;
  at("code").value = "";
  at("code").focus();
}

function enrol({ secret, qr }) {
  const drawn = new DOMParser().parseFromString(qr, "image/svg+xml").documentElement;
  at("qr").replaceChildren(document.importNode(drawn, true));
  at("secret").textContent = secret.match(/.{1,4}/g).join(" ");
  at("enrolment").hidden = false;
}

async function signIn() {
  const given = { login: at("login").value, password: at("password").value };
  if (at("code").value) given.code = at("code").value;
  const answer = await fetch("api/v1/sign-in", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(given),
  });
  if (answer.ok) {
    location.replace("./");
    return;
  }
  const problem = await answer.json();
  if (problem.enrolment) enrol(problem.enrolment);
  if (problem.code === "code-required" || problem.code === "enrolment-required") askForCode();
  if (problem.code === "wrong-code") at("code").select();
  const said = words[problem.code] ?? words.failed;
  at("refused").textContent = typeof said === "function"
    ? said(answer.headers.get("Retry-After")) : said;
}

try {
  if (sessionStorage.getItem("solde.ended") !== null) at("refused").textContent = words.ended;
  sessionStorage.removeItem("solde.ended");
} catch { /* storage may be forbidden: nothing is said */ }

at("person").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.submitter ?? at("person").querySelector("button");
  button.disabled = true;
  at("refused").textContent = "";
  try {
    await signIn();
  } catch {
    at("refused").textContent = words.failed;
  } finally {
    button.disabled = false;
  }
});
