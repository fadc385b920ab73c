"""Child processes: how they are started, spoken to and limited, and how their death is told. Nothing about models."""
