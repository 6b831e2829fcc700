"""The files in which a lab's credentials lie, by name: for whoever uses them without being able to issue any. Pure."""

from __future__ import annotations

CA_CERTIFICATE = "ca.crt"
CA_KEY = "ca.key"
SERVER_CERTIFICATE = "server.crt"
SERVER_KEY = "server.key"
CLIENT_CERTIFICATE = "client.crt"
CLIENT_KEY = "client.key"
SERVICE_ACCOUNT_KEY = "sa.key"  # signs the tokens of ServiceAccounts
TOKEN = "token"  # noqa: S105 - a file's name
