"""What the directory's tests share."""

import pytest
import trustme


@pytest.fixture(scope="session")
def other_authority() -> str:
    """Somebody who signs certificates, and whom nobody has heard of."""
    return trustme.CA().cert_pem.bytes().decode()
