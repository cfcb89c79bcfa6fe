"""Where one finds things in the admin."""

from django.urls import reverse

from apps.fieldwork.models import WorkOrder


def page_of(order: WorkOrder) -> str:
    """Return the address of a work order's own page."""
    return reverse("admin:fieldwork_workorder_change", args=[order.pk])
