"""The admin site: in the order of a bookkeeper's day, not of the alphabet."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest

# What a firm looks at daily comes first, what keeps the platform running last.
ORDER = (
    *("fieldwork", "leasing", "weather", "engagements", "billing", "crm", "calendars"),
    *("mailbox", "contacts", "documents", "notifications", "discrepancies", "webhooks"),
    *("subscriptions", "privacy"),
    *("directory", "audit", "firms", "monitoring", "jobs", "console", "auth", "django_q"),
)

# Within an app by the alphabet, unless its people think in another order.
WITHIN = {
    "fieldwork": (
        *("WorkOrder", "Estimate", "ContractorProfile", "ComplianceDocument"),
        *("ComplianceRequirement", "PayoutRequest", "Payout"),
    ),
}


class Nightshift(AdminSite):
    site_header = site_title = "Nightshift"
    index_title = "What would you like to look at?"
    site_url = None  # there is no other site to view

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        listed = super().get_app_list(request, app_label)
        place = {name: number for number, name in enumerate(ORDER)}
        for app in listed:
            if names := WITHIN.get(app["app_label"]):
                app["models"].sort(key=lambda model: names.index(model["object_name"]))
        return sorted(listed, key=lambda app: place.get(app["app_label"], len(place)))
