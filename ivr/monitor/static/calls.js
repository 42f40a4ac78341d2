// What is known of each call: a snapshot, then one event after the other. No DOM here.
// Every change sets values and counts nothing, so an event applied twice changes nothing.

export const EVENT_TYPES = [
  "call.started", "call.answered", "call.ended", "transaction.created",
  "trunk.up", "trunk.down", "trunk.registered", "trunk.unregistered",
  "transaction.identified", "transaction.ended", "step.entered", "prompt.played",
  "entry.progress", "entry.accepted", "entry.error", "payment.attempted",
  "payment.succeeded", "payment.declined", "payment.not-charged", "payment.unknown",
];

const NOTHING_KEYED = { digits: 0, luhn: null, attempt: null, silence: null };

function blank(id, at) {
  return {
    id, caller: "", startedAt: at, endedAt: null, step: null, transactionId: null,
    result: null, due: null, paid: null, currency: null, reference: null,
    brand: null, last4: null, entry: { ...NOTHING_KEYED }, error: null,
  };
}

/** Return the state of a call as `GET /api/v1/calls` tells it. */
export function fromSnapshot(told) {
  const call = blank(told.id, told.started_at);
  call.caller = told.caller;
  call.endedAt = told.ended_at;
  for (const event of told.latest) apply(call, event);
  const transaction = told.transactions.at(-1);
  if (transaction) adopt(call, transaction);
  return call;
}

/** Take over what a transaction's row says and events do not. */
export function adopt(call, transaction) {
  call.transactionId = transaction.id;
  call.step = transaction.step;
  call.result = transaction.result;
  call.due = transaction.amount_due;
  call.currency = transaction.currency;
  call.paid = transaction.amount_paid || call.paid;
  call.reference = transaction.reference;
  call.brand = transaction.brand ?? call.brand;
  call.last4 = transaction.last4 ?? call.last4;
}

/** Return a call that is met by its first event. */
export const fromEvent = (event) => blank(event.call_id, event.at);

const CHANGES = {
  "call.started": (call, event) => {
    call.caller = event.data.caller ?? call.caller;
    call.startedAt = event.at;
  },
  "call.ended": (call, event) => { call.endedAt = event.at; },
  "transaction.created": (call, event) => {
    if (call.transactionId === event.transaction_id) return;
    Object.assign(call, { ...blank(call.id, call.startedAt), caller: call.caller });
    call.transactionId = event.transaction_id;
    call.step = event.step;
  },
  "transaction.identified": (call, event) => {
    call.due = event.data.amount;
    call.currency = event.data.currency;
  },
  "transaction.ended": (call, event) => {
    call.result = event.data.result;
    call.step = event.step ?? call.step;
  },
  "step.entered": (call, event) => {
    call.step = event.step;
    call.entry = { ...NOTHING_KEYED, attempt: event.data.attempt ?? null };
  },
  "entry.progress": keyed,
  "entry.accepted": keyed,
  "entry.error": (call, event) => {
    keyed(call, event);
    call.entry.digits = 0;
    call.entry.luhn = null;
    call.error = { step: event.step, error: event.data.error, attempt: event.data.attempt };
  },
  "payment.succeeded": (call, event) => {
    call.paid = event.data.amount ?? call.paid;
    call.currency = event.data.currency ?? call.currency;
    call.brand = event.data.brand ?? call.brand;
    call.last4 = event.data.last4 ?? call.last4;
    settled(call, event);
  },
  "payment.declined": (call, event) => {
    call.error = { step: event.step, error: "card-declined", attempt: null };
    settled(call, event);
  },
  "payment.not-charged": settled,
};

/** An answer that came after the end as `pending` brings the result that it comes to. */
function settled(call, event) {
  call.result = event.data.result ?? call.result;
}

function keyed(call, event) {
  const { digits, luhn, attempt, silence, brand } = event.data;
  call.entry = {
    digits: digits ?? 0, luhn: luhn ?? null, silence: silence ?? null,
    attempt: attempt ?? call.entry.attempt,
  };
  call.brand = brand ?? (event.step === "payment-card-number" ? null : call.brand);
}

/** Bring a call up to an event. Events that show nothing change nothing. */
export function apply(call, event) {
  CHANGES[event.type]?.(call, event);
}
