"""What people type about leases; each refusal is a sentence at its field."""

from typing import Any

from apps.billing.forms import AgreementForm
from apps.core.problems import Problem
from apps.firms.admin import FirmScopedForm
from apps.leasing.models import Lease, PropertyBillingConfig, Unit
from apps.leasing.services.leases import check_unit_free


class LeaseForm(AgreementForm):
    """A lease: an agreement whose unit is free."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.instance.status in Lease.LIVING and not self.errors:
            self._check_unit_free(cleaned)
        return cleaned

    def _check_unit_free(self, cleaned: dict[str, Any]) -> None:
        names = ("unit", "start_date", "end_date")
        wanted = Lease(pk=self.instance.pk, **{name: cleaned[name] for name in names})
        Unit.objects.select_for_update().get(pk=wanted.unit_id)
        try:
            check_unit_free(wanted)
        except Problem as problem:
            self.add_error("unit", str(problem))


class LeasePartForm(FirmScopedForm[Any]):
    """A charge or a change of the rent, in the currency of its lease."""

    def currency(self, cleaned: dict[str, Any]) -> str:
        return getattr(self.parent, "currency", "")


class BillingConfigForm(FirmScopedForm[PropertyBillingConfig]):
    """Terms, in the currency of the lease, the property or the firm they are for."""

    @staticmethod
    def currency_of(config: Any) -> str:
        place = config.lease or config.property or config.firm
        return str(place.currency)

    def currency(self, cleaned: dict[str, Any]) -> str:
        row = self.instance
        for name in ("lease", "property", "firm"):
            known = getattr(row, name) if getattr(row, f"{name}_id") else None
            if place := cleaned.get(name, known):
                return str(place.currency)
        return ""
