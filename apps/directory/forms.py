"""What people type about a firm's directory. Its password goes in and never comes out."""

import ssl
from typing import Any

from django import forms
from ldap3.core.exceptions import LDAPInvalidDnError
from ldap3.utils.dn import parse_dn

from apps.core.forms import SecretField
from apps.core.problems import Problem
from apps.directory.models import PASSWORD, DirectoryConnection, MappedGroup
from apps.firms.admin import FirmScopedForm
from apps.integrations.directory import check_filter


def check_dn(text: str) -> None:
    """Refuse what is no distinguished name."""
    try:
        if not parse_dn(text):
            raise forms.ValidationError(
                "Give a distinguished name: OU=Staff,DC=corp,DC=example"
            )
    except LDAPInvalidDnError:
        raise forms.ValidationError(
            "That is no distinguished name: OU=Staff,DC=corp,DC=example"
        ) from None


class ConnectionForm(FirmScopedForm[DirectoryConnection]):
    """A directory, with its password as a field that only takes."""

    bind_password = SecretField(help_text="Of the account that reads.")

    class Meta:
        model = DirectoryConnection
        fields = (
            *("firm", "servers", "security", "certificate_name", "authority", "bind_user"),
            *("base_dn", "person_filter", "default_role", "deactivation_limit_percent"),
            "deactivation_limit_least",
        )

    def clean_servers(self) -> str:
        servers = str(self.cleaned_data["servers"]).split()
        if not servers or not all(
            server.isascii() and server.isprintable() for server in servers
        ):
            raise forms.ValidationError("Give the names of controllers, separated by spaces.")
        return " ".join(servers)

    def clean_base_dn(self) -> str:
        check_dn(self.cleaned_data["base_dn"])
        return str(self.cleaned_data["base_dn"])

    def clean_person_filter(self) -> str:
        text = str(self.cleaned_data["person_filter"])
        try:
            if text:
                check_filter(text)
        except Problem as problem:
            raise forms.ValidationError(str(problem)) from None
        return text

    def clean_authority(self) -> str:
        text = str(self.cleaned_data["authority"])
        try:
            if text:
                ssl.create_default_context(cadata=text)
        except (ssl.SSLError, ValueError):
            message = "Paste a certificate with its first and last line."
            raise forms.ValidationError(message) from None
        return text

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not (cleaned.get(PASSWORD) or self.instance.credentials.get(PASSWORD)):
            self.add_error(PASSWORD, "The directory needs this.")
        return cleaned

    def secrets(self) -> dict[str, str]:
        """Return the credentials that were typed."""
        return {PASSWORD: self.cleaned_data[PASSWORD]} if self.cleaned_data[PASSWORD] else {}


class GroupForm(FirmScopedForm[MappedGroup]):
    """A group and the role that being in it gives."""

    class Meta:
        model = MappedGroup
        fields = ("group_dn", "role")

    def clean_group_dn(self) -> str:
        check_dn(self.cleaned_data["group_dn"])
        return str(self.cleaned_data["group_dn"])
