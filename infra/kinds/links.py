"""What one kind tells another about itself: where it listens and with which credentials. Immutable."""

from dataclasses import dataclass

import pulumi

from workloads import contract


@dataclass(frozen=True)
class DatabaseLink:
    """A database of a PostgreSQL server; its role has the same name."""

    host: str
    name: str
    password: pulumi.Input[str]
    port: int = contract.DATABASE_PORT

    def secrets(self) -> dict[str, pulumi.Input[str]]:
        """The secret files of a service that uses it."""
        return {contract.SECRET_DATABASE_PASSWORD: self.password}


@dataclass(frozen=True)
class ObjectStoreLink:
    """An S3 server, as containers on the stack's networks reach it."""

    url: str
    access_key: pulumi.Input[str]
    secret_key: pulumi.Input[str]

    def secrets(self) -> dict[str, pulumi.Input[str]]:
        """The secret files of a service that uses it."""
        return {
            contract.SECRET_OBJECT_STORE_ACCESS_KEY: self.access_key,
            contract.SECRET_OBJECT_STORE_SECRET_KEY: self.secret_key,
        }
