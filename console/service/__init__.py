"""AutoQoS as a service of the system: installed where only an administrator can write, started with the machine.

``layout`` says what lies where, ``systemd_unit`` and ``scheduled_task`` write the two systems' descriptions (pure),
``payload`` copies the program, ``linux`` and ``windows`` talk to the system; ``run_logged`` is what the Windows task
runs.
"""
