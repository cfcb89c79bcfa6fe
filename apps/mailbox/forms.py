"""What people type about a mailbox, and about who looks after a ticket."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from apps.core.forms import SecretField
from apps.firms.admin import FirmScopedForm
from apps.firms.models import User
from apps.integrations.mailboxes import Auth, Security
from apps.mailbox.models import EmailConnection
from apps.mailbox.services.connections import SECRET_OF

SECRETS = tuple(SECRET_OF.values())
MOST_FOLDERS, LONGEST_FOLDER = 50, 200
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class ConnectionForm(FirmScopedForm[EmailConnection]):
    """A mailbox, with its credentials as fields that only take."""

    password = SecretField(help_text="For signing in with a password.")
    access_token = SecretField(help_text="For signing in with OAuth 2.")

    class Meta:
        model = EmailConnection
        fields = (
            *("firm", "name", "host", "port", "security", "username", "auth", "folders"),
            "is_active",
        )
        widgets = {"folders": forms.Textarea(attrs={"rows": 3, "cols": 40})}

    def clean_folders(self) -> str:
        names = [name.strip() for name in self.cleaned_data["folders"].splitlines()]
        names = list(dict.fromkeys(filter(None, names)))
        if not names:
            raise forms.ValidationError("Name at least one folder.")
        if len(names) > MOST_FOLDERS or max(map(len, names)) > LONGEST_FOLDER:
            raise forms.ValidationError(
                f"At most {MOST_FOLDERS} folders, of at most {LONGEST_FOLDER} letters each."
            )
        return "\n".join(names)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("security") == Security.NONE and cleaned.get("host") not in _LOOPBACK:
            self.add_error("security", "A password never crosses a network in the clear.")
        if auth := cleaned.get("auth"):
            needed = SECRET_OF[Auth(auth)]
            for name in SECRETS:
                if name != needed and cleaned.get(name):
                    self.add_error(name, "This way of signing in has no such credential.")
            if not (cleaned.get(needed) or self.instance.secret.get(needed)):
                self.add_error(needed, "This way of signing in needs it.")
        return cleaned

    def secrets(self) -> dict[str, str]:
        """Return the credentials that were typed."""
        return {name: self.cleaned_data[name] for name in SECRETS if self.cleaned_data[name]}


class AssignForm(forms.Form):
    """Who is to look after tickets; nobody, if nobody is chosen."""

    to = forms.ModelChoiceField(
        User.objects.none(), label="Look after by", required=False, empty_label="nobody"
    )

    def __init__(self, *args: Any, people: "QuerySet[User]", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = people  # type: ignore[attr-defined]
