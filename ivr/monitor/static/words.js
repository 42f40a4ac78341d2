// The page's words, French and English. Keys with a dot or a hyphen are words of the ledger.

export const LOCALES = { fr: "fr-FR", en: "en-GB" };

const fr = {
  title: "Paiements en direct", skip: "Aller aux appels en cours", today: "Aujourd’hui",
  recovery: "Taux de recouvrement", notCompleted: "Transactions non abouties",
  withEntryError: "Avec une erreur de saisie", live: "Appels en cours",
  noLive: "Aucun appel en ce moment.", ended: "Terminés récemment",
  noEnded: "Aucun appel terminé.",
  recovered: (paid, due) => `${paid} recouvrés sur ${due}`,
  ofKnown: (count, share) => `sur ${count} terminée${count > 1 ? "s" : ""} · ${share}`,
  ofAll: (count, share) => `sur ${count} · ${share}`,
  none: "aucune transaction", noDebt: "aucune dette identifiée",
  pending: (count) => ` · ${count} en attente de la banque`,
  connection: {
    connecting: "Connexion…", live: "En direct", catching: "Reprise…",
    lost: "Connexion perdue, nouvel essai…",
  },
  digits: (count) => (count > 1 ? `${count} chiffres saisis` : `${count} chiffre saisi`),
  valid: "numéro valide", invalid: "numéro invalide",
  attempt: (number) => `essai ${number}`, silence: (seconds) => `silence ${seconds} s`,
  lastError: "Dernière erreur", due: (amount) => `${amount} dus`, paid: (amount) => `${amount} payés`,
  began: (caller) => `Nouvel appel : ${caller}`,
  finished: (caller, result, amount) => `${caller} : ${result}${amount ? `, ${amount}` : ""}`,
  noResult: "sans transaction", stepOf: (name, at, all) => `${name}, étape ${at} sur ${all}`,
  hiddenCaller: "numéro masqué",
  trunksOut: (names) => `Opérateur injoignable : ${names}`,
  steps: {
    "welcome": "Accueil", "reference": "Référence", "amount": "Montant", "ready": "Carte en main",
    "payment-card-number": "Numéro de carte", "expiration-date": "Expiration",
    "security-code": "Cryptogramme", "confirm": "Confirmation",
    "payment-processing": "Paiement", "payment-completed": "Payé",
    "payment-failed": "Échec", "payment-cancelled": "Annulé", "agent": "Avec un agent",
  },
  errors: {
    "timeout": "aucune touche à temps", "too-short": "trop court", "too-long": "trop long",
    "doubled-key": "touche doublée", "luhn-failed": "numéro mal saisi",
    "invalid-card-type": "carte non acceptée", "month-invalid": "mois impossible",
    "date-past": "carte expirée", "invalid-date": "date impossible",
    "invalid-security-code": "cryptogramme incorrect", "reference-unknown": "référence inconnue",
    "input-matching-failed": "saisie non reconnue", "no-keypad-tones": "voix, mais aucune touche",
    "card-declined": "carte refusée", "internal-error": "défaut interne",
  },
  results: {
    "success": "Payé", "already-paid": "Déjà payé", "pending": "En attente de la banque",
    "card-declined": "Carte refusée", "too-many-failed-attempts": "Trop d’essais",
    "payment-connector-error": "Banque injoignable", "caller-hung-up": "A raccroché",
    "caller-declined": "A renoncé", "transferred-to-agent": "Vers un agent",
    "cancelled-by-agent": "Annulé par l’agent", "expired": "Jamais arrivé",
    "internal-error": "Défaut interne",
  },
};

const en = {
  title: "Live payments", skip: "Skip to live calls", today: "Today",
  recovery: "Recovery rate", notCompleted: "Transactions not completed",
  withEntryError: "With an entry error", live: "Live calls",
  noLive: "No call at the moment.", ended: "Recently ended", noEnded: "No call has ended yet.",
  recovered: (paid, due) => `${paid} recovered of ${due}`,
  ofKnown: (count, share) => `of ${count} ended · ${share}`,
  ofAll: (count, share) => `of ${count} · ${share}`,
  none: "no transaction", noDebt: "no debt identified",
  pending: (count) => ` · ${count} awaiting the bank`,
  connection: {
    connecting: "Connecting…", live: "Live", catching: "Catching up…",
    lost: "Connection lost, trying again…",
  },
  digits: (count) => (count === 1 ? "1 digit keyed" : `${count} digits keyed`),
  valid: "valid number", invalid: "invalid number",
  attempt: (number) => `attempt ${number}`, silence: (seconds) => `silent ${seconds} s`,
  lastError: "Last error", due: (amount) => `${amount} due`, paid: (amount) => `${amount} paid`,
  began: (caller) => `New call: ${caller}`,
  finished: (caller, result, amount) => `${caller}: ${result}${amount ? `, ${amount}` : ""}`,
  noResult: "no transaction", stepOf: (name, at, all) => `${name}, step ${at} of ${all}`,
  hiddenCaller: "number withheld",
  trunksOut: (names) => `Carrier out of reach: ${names}`,
  steps: {
    "welcome": "Welcome", "reference": "Reference", "amount": "Amount", "ready": "Card in hand",
    "payment-card-number": "Card number", "expiration-date": "Expiry",
    "security-code": "Security code", "confirm": "Confirm",
    "payment-processing": "Payment", "payment-completed": "Paid",
    "payment-failed": "Failed", "payment-cancelled": "Cancelled", "agent": "With an agent",
  },
  errors: {
    "timeout": "no key in time", "too-short": "too short", "too-long": "too long",
    "doubled-key": "doubled key", "luhn-failed": "mistyped number",
    "invalid-card-type": "card not accepted", "month-invalid": "no such month",
    "date-past": "card expired", "invalid-date": "no such date",
    "invalid-security-code": "wrong security code", "reference-unknown": "unknown reference",
    "input-matching-failed": "entry not recognised", "no-keypad-tones": "voice, but no key",
    "card-declined": "card declined", "internal-error": "internal fault",
  },
  results: {
    "success": "Paid", "already-paid": "Already paid", "pending": "Awaiting the bank",
    "card-declined": "Card declined", "too-many-failed-attempts": "Too many attempts",
    "payment-connector-error": "Bank unreachable", "caller-hung-up": "Hung up",
    "caller-declined": "Gave up", "transferred-to-agent": "To an agent",
    "cancelled-by-agent": "Cancelled by the agent", "expired": "Never arrived",
    "internal-error": "Internal fault",
  },
};

const ALL = { fr, en };
const KEY = "solde.language";

function chosen() {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept in ALL) return kept;
  } catch { /* storage may be forbidden: the browser's language it is */ }
  for (const wish of navigator.languages ?? []) {
    const language = wish.slice(0, 2);
    if (language in ALL) return language;
  }
  return "fr";
}

let language = chosen();

export const words = () => ALL[language];
export const currentLanguage = () => language;

export function choose(wanted) {
  language = wanted;
  try { localStorage.setItem(KEY, wanted); } catch { /* kept for this visit only */ }
}

export const locale = () => LOCALES[language];

/** Minor units of an ISO 4217 currency, as money is written in the page's language. */
export function money(minor, currency) {
  if (minor === null || minor === undefined || !currency) return "";
  const format = new Intl.NumberFormat(locale(), { style: "currency", currency });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** A share between 0 and 1 as per cent; a dash when there is none. */
export function percent(share) {
  if (share === null) return "–";
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 1 }).format(share);
}
