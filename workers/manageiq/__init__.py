"""Takes over what ManageIQ exported: policies, profiles and alerts become files of a site (spec policy-alerts 2.11)."""
