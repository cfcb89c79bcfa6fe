"""What people are asked about themselves."""

from typing import Any

from django.contrib.auth.forms import PasswordChangeForm
from django.core.exceptions import ValidationError

from apps.firms.models import User


class NewPasswordForm(PasswordChangeForm):
    """A person's new password. Afterwards nobody asks them to change it any more."""

    required_css_class = "required"

    def clean_new_password1(self) -> str:
        new = str(self.cleaned_data["new_password1"])
        if self.user.check_password(new):
            raise ValidationError("This is your old password; choose another.")
        return new

    def set_password_and_save(self, user: User, *args: Any, **kwargs: Any) -> User:
        user.must_change_password = False
        return super().set_password_and_save(user, *args, **kwargs)
