"""The ledger: tables, migrations, and the only code that writes SQL."""
