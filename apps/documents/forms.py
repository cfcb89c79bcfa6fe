"""What a signer fills in, and the field that takes a file."""

from typing import Any

from django import forms

from apps.documents.uploads import NotTaken, Upload, look_at


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


class UploadField(forms.FileField):
    """A file for ``services.store_file``: what it cleans to is an ``Upload``, or nothing."""

    widget = forms.FileInput

    def clean(self, data: Any, initial: Any = None) -> Upload | None:
        file = super().clean(data, initial)
        if not file:
            return None
        try:
            return look_at(file.file, name=file.name)
        except NotTaken as problem:
            raise forms.ValidationError(str(problem)) from None
