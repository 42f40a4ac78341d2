// What is known of each call: a snapshot, then one event after the other. No DOM here.
// Every change sets values and counts nothing, so an event applied twice changes nothing.

export const EVENT_TYPES = [
  "call.started", "call.answered", "call.quality", "call.ended", "transaction.created",
  "transaction.transferred", "trunk.up", "trunk.down", "trunk.registered", "trunk.unregistered",
  "transaction.identified", "transaction.ended", "step.entered", "prompt.played",
  "entry.progress", "entry.accepted", "entry.error", "agent.wanted", "agent.ringing",
  "agent.connected", "agent.unavailable", "agent.left", "journey.resumed", "capture.started",
  "capture.stopped", "shield.proved", "shield.unproved", "command.ended", "payment.attempted",
  "payment.succeeded", "payment.declined", "payment.not-charged", "payment.unknown",
];

const NOTHING_KEYED = { digits: 0, luhn: null, attempt: null, silence: null };

function blank(id, at) {
  return {
    id, caller: "", startedAt: at, endedAt: null, step: null, place: null, transactionId: null,
    result: null, due: null, paid: null, currency: null, reference: null, owner: null,
    ownerId: null, brand: null, last4: null, entry: { ...NOTHING_KEYED }, error: null,
    desk: null, asked: false, together: false, capturing: false, told: null,
  };
}

/** Where we call, the agent is the caller. */
const debtorsNumber = ({ direction, caller, called }) =>
  (direction === "outbound" ? called : caller);

/** Return the state of a call as `GET /api/v1/calls` tells it. */
export function fromSnapshot(told) {
  const call = blank(told.id, told.started_at);
  call.caller = debtorsNumber(told);
  call.endedAt = told.ended_at;
  for (const event of told.latest) apply(call, event);
  const transaction = told.transactions.at(-1);
  if (transaction) {
    adopt(call, transaction);
    moveTo(call, transaction.step);
    call.result = transaction.result;
  }
  return call;
}

/** Take over what a transaction's row says and events do not. */
export function adopt(call, transaction) {
  call.transactionId = transaction.id;
  call.due = transaction.amount_due;
  call.currency = transaction.currency;
  call.paid = transaction.amount_paid || call.paid;
  call.reference = transaction.reference;
  call.owner = transaction.owner;
  call.ownerId = transaction.owner_id;
  call.brand = transaction.brand ?? call.brand;
  call.last4 = transaction.last4 ?? call.last4;
}

/** Return a call that is met by its first event. */
export const fromEvent = (event) => blank(event.call_id, event.at);

/** `place` is where the journey is, or was left for an agent. */
function moveTo(call, step) {
  call.step = step ?? call.step;
  if (call.step !== "agent") call.place = call.step;
}

function atDesk(call, event) {
  call.desk = {
    event: event.type, reason: event.data.reason ?? null, agent: event.data.agent ?? null,
  };
}

const CHANGES = {
  "call.started": (call, event) => {
    call.caller = debtorsNumber(event.data) ?? call.caller;
    call.startedAt = event.at;
  },
  "call.ended": (call, event) => { call.endedAt = event.at; },
  "transaction.created": begun,
  "transaction.transferred": begun,
  "transaction.identified": (call, event) => {
    call.due = event.data.amount;
    call.currency = event.data.currency;
  },
  "transaction.ended": (call, event) => {
    call.result = event.data.result;
    moveTo(call, event.step);
    Object.assign(call, { asked: false, capturing: false });
  },
  "step.entered": (call, event) => {
    moveTo(call, event.step);
    call.entry = { ...NOTHING_KEYED, attempt: event.data.attempt ?? null };
    // The journey goes on; what an agent asks for field by field does not end their visit.
    if (event.step !== "agent" && !call.together) {
      Object.assign(call, { desk: null, asked: false });
    }
  },
  "entry.progress": keyed,
  "entry.accepted": keyed,
  "entry.error": (call, event) => {
    keyed(call, event);
    call.entry.digits = 0;
    call.entry.luhn = null;
    call.error = { step: event.step, error: event.data.error, attempt: event.data.attempt };
  },
  "agent.wanted": (call, event) => {
    atDesk(call, event);
    call.asked = event.data.reason === "asked-for";
  },
  "agent.ringing": atDesk,
  "agent.connected": (call, event) => {
    atDesk(call, event);
    Object.assign(call, { asked: false, together: true });
  },
  "agent.unavailable": atDesk,
  "agent.left": (call, event) => {
    atDesk(call, event);
    Object.assign(call, { together: false, capturing: false });
  },
  "journey.resumed": (call, event) => {
    atDesk(call, event);
    moveTo(call, event.step);
    Object.assign(call, { asked: false, together: false, capturing: false });
  },
  "capture.started": (call, event) => {
    atDesk(call, event);
    Object.assign(call, { together: true, capturing: true });
  },
  "capture.stopped": (call, event) => {
    atDesk(call, event);
    call.capturing = false;
  },
  "shield.proved": atDesk,
  "shield.unproved": atDesk,
  "command.ended": (call, event) => {
    const { command, outcome } = event.data;
    // Which field it was is known only where it was asked for.
    const field = call.told?.command === command ? call.told.field : undefined;
    call.told = { command, field, outcome };
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

function begun(call, event) {
  if (call.transactionId === event.transaction_id) return;
  Object.assign(call, { ...blank(call.id, call.startedAt), caller: call.caller });
  call.transactionId = event.transaction_id;
  moveTo(call, event.step);
}

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
  // Too few digits tell no brand; an entry that was taken tells nothing against the last one.
  const lost = event.step === "payment-card-number" && event.type !== "entry.accepted";
  call.brand = brand ?? (lost ? null : call.brand);
}

/** Bring a call up to an event. Events that show nothing change nothing. */
export function apply(call, event) {
  CHANGES[event.type]?.(call, event);
}
