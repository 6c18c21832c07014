"""A simulated OpenStack cloud that speaks the real wire formats on one loopback port."""
