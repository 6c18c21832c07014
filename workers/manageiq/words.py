"""ManageIQ's words for kinds and actions, and ours (spec policy-alerts 2.1, 4.2)."""

from __future__ import annotations

from collections.abc import Mapping

#: What a policy or alert is about: ManageIQ's model to our kind.
KINDS: Mapping[str, str] = {
    "Vm": "server",
    "VmOrTemplate": "server",
    "Host": "host",
    "ExtManagementSystem": "provider",
    "PhysicalServer": "node",
    "CloudVolume": "volume",
}

#: Actions without parameters.
SIMPLE: Mapping[str, str] = {
    "vm_start": "start_server",
    "vm_stop": "stop_server",
    "vm_suspend": "suspend_server",
    "vm_pause": "pause_server",
    "vm_shelve": "shelve_server",
    "vm_shelve_offload": "shelve_server",
    "vm_shutdown_guest": "stop_server",
    "vm_destroy": "delete_server",
    "prevent": "prevent",
    "check_compliance": "check_compliance",
    "ems_refresh": "refresh",
}

#: What is worth saying of an action that is taken over.
REMARKS: Mapping[str, str] = {
    "vm_shutdown_guest": "it stops the server: nova asks the guest first",
    "vm_shelve_offload": "it shelves the server: nova frees the host by itself",
}

#: Why an action has no counterpart, where more can be said than that.
NO_COUNTERPART: Mapping[str, str] = {
    "evaluate_alerts": "alerts are asked on events: name this policy's event under the alert's `on`",
    "raise_automation_event": "the switchboard has seen the event already: write an Automate instance for it",
    "run_ansible_playbook": "there are no playbook services: run it by `script` or `automate`",
    "assign_scan_profile": "there is no scan of disks",
    "vm_analyze": "there is no scan of disks",
    "host_analyze": "there is no scan of disks",
    "vm_unregister": "an OpenStack server cannot be taken out of inventory alone",
    "vm_mark_as_template": "an OpenStack server cannot become a template",
    "remove_tags": "the tags of a category are not known when it runs: remove each one by its name",
    "inherit_parent_tags": "what a server belongs to has no tags of ManageIQ's here",
    "vm_retire": "there is no retirement",
    "delete_most_recent_snapshot": "snapshots are deleted by their age",
    "cancel_task": "it cancels tasks of VMware",
}
#: Reasons by the beginning of an action's name.
NO_COUNTERPART_PREFIXES: Mapping[str, str] = {
    "vm_connect": "it is about devices of VMware",
    "vm_disconnect": "it is about devices of VMware",
    "container_": "there are no containers in inventory",
}

#: Types of SNMP variables.
SNMP_TYPES: Mapping[str, str] = {
    "Integer": "Integer32",
    "ObjectId": "ObjectIdentifier",
    "ObjectName": "ObjectIdentifier",
}
