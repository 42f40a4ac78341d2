"""The steps that make the tables and change them; `ivr.ledger.schema` runs them."""
