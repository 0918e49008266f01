"""The Windows scheduled task as XML. Pure.

A task at logon with the highest privileges, not a Windows service: a service's session has neither window nor tray. The
defaults of the scheduler are wrong for a monitor and are all set here: priority 7 means below normal CPU and low I/O,
a task is ended after three days, is not started on battery and is stopped when the power goes.
Source: learn.microsoft.com, Task Scheduler Schema (version 1.3 elements only, in the schema's order).
"""

from typing import Final
from xml.sax.saxutils import escape

from console.service.layout import Layout

NAMESPACE: Final = "http://schemas.microsoft.com/windows/2004/02/mit/task"


def task(layout: Layout, user: str) -> str:
    """The task's XML for ``schtasks /create /xml``; ``user`` is ``DOMAIN\\name``. Write it as UTF-16."""
    pythonw = layout.python.with_name("pythonw.exe")
    arguments = " ".join(
        ["-P", "-m", "console.service.run_logged", f'"{layout.log}"', *(_quoted(a) for a in layout.arguments)]
    )
    return f"""\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.3" xmlns="{NAMESPACE}">
  <RegistrationInfo>
    <Description>AutoQoS: which application uses the network; the important ones win.</Description>
    <URI>\\AutoQoS</URI>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{escape(user)}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{escape(user)}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>HighestAvailable</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <IdleSettings>
      <StopOnIdleEnd>false</StopOnIdleEnd>
      <RestartOnIdle>false</RestartOnIdle>
    </IdleSettings>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
    <WakeToRun>false</WakeToRun>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>3</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{escape(str(pythonw))}</Command>
      <Arguments>{escape(arguments)}</Arguments>
      <WorkingDirectory>{escape(str(layout.data))}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""


def _quoted(argument: str) -> str:
    return argument if argument.startswith("--") else f'"{argument}"'
