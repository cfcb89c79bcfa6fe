"""Who is signed in, and what they may do: asked in as few statements as it takes."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db.models import Q

from apps.access.services import with_standing
from apps.firms.models import User


class AtOnce(ModelBackend):
    """Django's own backend, for pages that all ask the same.

    Somebody is loaded together with how it stands with their second factor, and their rights
    with those of their groups: two statements less for every page of the admin.
    """

    def get_user(self, user_id: Any) -> User | None:
        """Return somebody by their key; nobody when they may not sign in (any more)."""
        user = with_standing(User.objects.filter(pk=user_id)).first()
        return user if user and self.user_can_authenticate(user) else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return ``app.codename`` of everything somebody may do, once a request."""
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if not hasattr(user_obj, "_perm_cache"):
            given = Permission.objects.order_by()
            if not user_obj.is_superuser:
                given = given.filter(Q(user=user_obj) | Q(group__user=user_obj)).distinct()
            names = given.values_list("content_type__app_label", "codename")
            user_obj._perm_cache = {f"{app}.{codename}" for app, codename in names}
        found: set[str] = user_obj._perm_cache
        return found
