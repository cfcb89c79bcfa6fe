"""What a signer fills in."""

from django import forms


class SigningForm(forms.Form):
    """A typed name, consent, and the fingerprint of the text that the page showed."""

    name = forms.CharField(
        max_length=150,
        label="Your full name",
        error_messages={"required": "Type your full name to sign."},
        widget=forms.TextInput(attrs={"autocomplete": "name", "spellcheck": "false"}),
    )
    consent = forms.BooleanField(
        label="I have read this document, and typing my name above is my signature.",
        error_messages={"required": "Tick the box to sign."},
    )
    shown = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def clean_name(self) -> str:
        name = " ".join(str(self.cleaned_data["name"]).split())
        if sum(letter.isalpha() for letter in name) < 2:
            raise forms.ValidationError("Type your full name to sign.")
        return name
