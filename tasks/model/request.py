"""The types of requests (spec policy-alerts 6.1): what each is called where Automate names it, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

AUTOMATION = "automation"


class RequestType(NamedTuple):
    """One type: the class by which instances such as ``AutomationRequest_created`` are found, and its words."""

    class_name: str
    words: str


TYPES: Mapping[str, RequestType] = MappingProxyType(
    {
        AUTOMATION: RequestType("AutomationRequest", "Automation Task"),
        "template": RequestType("MiqProvisionRequest", "Provision from a template"),
        "clone_to_vm": RequestType("MiqProvisionRequest", "Clone to a machine"),
        "clone_to_template": RequestType("MiqProvisionRequest", "Publish as a template"),
        "clone_to_service": RequestType("ServiceTemplateProvisionRequest", "Provision a service"),
        "service_reconfigure": RequestType("ServiceReconfigureRequest", "Reconfigure a service"),
        "service_retire": RequestType("ServiceRetireRequest", "Retire a service"),
        "vm_retire": RequestType("VmRetireRequest", "Retire a machine"),
        "vm_migrate": RequestType("VmMigrateRequest", "Migrate a machine"),
        "vm_reconfigure": RequestType("VmReconfigureRequest", "Reconfigure a machine"),
        "vm_cloud_reconfigure": RequestType("VmCloudReconfigureRequest", "Resize a machine"),
        "orchestration_stack_retire": RequestType("OrchestrationStackRetireRequest", "Retire a stack"),
        "provision_via_foreman": RequestType("MiqProvisionConfiguredSystemRequest", "Provision a configured system"),
        "provision_via_automation_manager": RequestType("AutomationManagerRequest", "Run a job template"),
        "provision_physical_server": RequestType("PhysicalServerProvisionRequest", "Provision a physical server"),
        "physical_server_firmware_update": RequestType("PhysicalServerFirmwareUpdateRequest", "Update firmware"),
    }
)


def class_of(request_type: str) -> str:
    """The class name of a type; the type itself where it is not one of ours."""
    known = TYPES.get(request_type)
    return known.class_name if known else request_type
