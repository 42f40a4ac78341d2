// The words of the administrators' page.

import { currentLanguage } from "./words.js";

const fr = {
  title: "Administration", skip: "Aller au contenu", notAllowed: "Cette page est réservée aux administrateurs.",
  users: "Utilisateurs", tokens: "Jetons d’accès", callbacks: "Rappels HTTP", audit: "Journal d’audit",
  addUser: "Ajouter un utilisateur", add: "Ajouter", save: "Enregistrer", change: "Modifier",
  login: "Identifiant", name: "Nom", role: "Rôle", language: "Langue", phone: "Téléphone",
  phoneHint: "Adresse SIP, ou poste enregistré ici.", password: "Mot de passe",
  passwordHint: "12 caractères au moins.", newPassword: "Nouveau mot de passe",
  newPasswordHint: "Vide : inchangé.", disable: "Désactiver", enable: "Réactiver",
  disabled: "désactivé", hasCode: "avec code", hasNoCode: "sans code", resetCode: "Réinitialiser le code",
  done: (what) => `Fait : ${what}`, refused: "Refusé.", sure: "Vraiment ?",
  addToken: "Créer un jeton", create: "Créer", tokenName: "Nom du programme", tokenNameHint: "Minuscules et chiffres, par exemple crm.",
  scopes: "Droits", expires: "Valable jusqu’au", expiresHint: "Vide : sans fin.", revoke: "Révoquer", revoked: "révoqué",
  expiredOn: (day) => `jusqu’au ${day}`, usedOn: (day) => `utilisé le ${day}`, neverUsed: "jamais utilisé",
  shownOnce: "Affiché cette seule fois : copiez-le maintenant.", none: "Rien encore.",
  addCallback: "Ajouter une adresse", url: "Adresse (URL)", types: "Événements", typesHint: "Aucun coché : tous.",
  allTypes: "tous les événements", remove: "Retirer", deliveries: "Envois", hideDeliveries: "Masquer les envois",
  replay: "Renvoyer", event: (id) => `événement ${id}`, attempts: (count) => `${count} essai${count > 1 ? "s" : ""}`,
  delivered: "remis", "given-up": "abandonné", removed: "adresse retirée", trying: "en cours",
  actor: "Acteur", actorHint: "Par exemple user:anna ; vide : tous.", filter: "Filtrer", older: "Plus anciens",
  scopeNames: {
    "transactions:read": "lire ses transactions", "transactions:write": "préparer et commander",
    "transactions:all": "voir toutes les transactions", "callbacks:write": "gérer les rappels HTTP",
    "users:write": "gérer utilisateurs et jetons",
  },
};

const en = {
  title: "Administration", skip: "Skip to content", notAllowed: "This page is for administrators.",
  users: "Users", tokens: "Access tokens", callbacks: "Callbacks", audit: "Audit trail",
  addUser: "Add a user", add: "Add", save: "Save", change: "Change",
  login: "Login", name: "Name", role: "Role", language: "Language", phone: "Phone",
  phoneHint: "A SIP address, or an extension registered here.", password: "Password",
  passwordHint: "At least 12 characters.", newPassword: "New password",
  newPasswordHint: "Empty: unchanged.", disable: "Disable", enable: "Enable",
  disabled: "disabled", hasCode: "with code", hasNoCode: "without code", resetCode: "Reset the code",
  done: (what) => `Done: ${what}`, refused: "Refused.", sure: "Really?",
  addToken: "Create a token", create: "Create", tokenName: "Name of the program", tokenNameHint: "Small letters and digits, such as crm.",
  scopes: "Rights", expires: "Valid until", expiresHint: "Empty: for ever.", revoke: "Revoke", revoked: "revoked",
  expiredOn: (day) => `until ${day}`, usedOn: (day) => `used on ${day}`, neverUsed: "never used",
  shownOnce: "Shown this once: copy it now.", none: "Nothing yet.",
  addCallback: "Add an address", url: "Address (URL)", types: "Events", typesHint: "None ticked: all.",
  allTypes: "all events", remove: "Remove", deliveries: "Deliveries", hideDeliveries: "Hide deliveries",
  replay: "Send again", event: (id) => `event ${id}`, attempts: (count) => `${count} attempt${count > 1 ? "s" : ""}`,
  delivered: "delivered", "given-up": "given up", removed: "address removed", trying: "under way",
  actor: "Actor", actorHint: "Such as user:anna; empty: all.", filter: "Filter", older: "Older",
  scopeNames: {
    "transactions:read": "read own transactions", "transactions:write": "prepare and command",
    "transactions:all": "see all transactions", "callbacks:write": "manage callbacks",
    "users:write": "manage users and tokens",
  },
};

export const ADMIN = { fr, en };
export const say = () => ADMIN[currentLanguage()];
