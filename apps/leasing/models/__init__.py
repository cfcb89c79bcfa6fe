"""What is true in leasing."""

from apps.leasing.models.fees import LateFeeAssessment, PropertyBillingConfig
from apps.leasing.models.homes import JurisdictionCap, Property, Unit
from apps.leasing.models.leases import (
    Lease,
    LeaseCharge,
    LeaseParty,
    LeaseQuerySet,
    RentPeriod,
    RentStep,
)
from apps.leasing.models.rewards import RewardConfiguration, RewardGrant

__all__ = [
    "JurisdictionCap",
    "LateFeeAssessment",
    "Lease",
    "LeaseCharge",
    "LeaseParty",
    "LeaseQuerySet",
    "Property",
    "PropertyBillingConfig",
    "RentPeriod",
    "RentStep",
    "RewardConfiguration",
    "RewardGrant",
    "Unit",
]
