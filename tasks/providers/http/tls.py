"""How the certificate of an HTTP service is checked, and our own where it asks for one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("name the file by its absolute path")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Tls(BaseModel, extra="forbid"):
    """Certificates, as files."""

    ca_file: AbsolutePath | None = Field(None, description="File of the certificate authority. Empty: the usual ones.")
    cert_file: AbsolutePath | None = Field(None, description="File of our certificate.")
    key_file: AbsolutePath | None = Field(None, description="File of our key.")
    verify: bool = Field(True, description="Check the service's certificate and name.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.key_file and not self.cert_file:
            raise ValueError("a key without its certificate cannot be used: name cert_file as well")
        if self.ca_file and not self.verify:
            raise ValueError("with verify: false no certificate is checked: leave ca_file out")
        return self

    def checking(self) -> bool | str:
        """What ``requests`` is told of the service's certificate."""
        return str(self.ca_file) if self.ca_file else self.verify

    def own(self) -> str | tuple[str, str] | None:
        """What ``requests`` is told of our certificate."""
        if self.cert_file is None:
            return None
        return (str(self.cert_file), str(self.key_file)) if self.key_file else str(self.cert_file)
