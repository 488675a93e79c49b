import { useState } from "react";

import type { Gateway } from "../gateway/gateway";
import { NotificationList } from "../notifications/notification-list";
import { Preferences } from "../preferences/preferences";
import { Drawer } from "../style/drawer";
import { TaskList } from "../tasks/task-list";
import { countOf, type Inbox } from "./inbox";
import { Tabs, type Tab } from "./tabs";

type TabName = "notifications" | "tasks" | "preferences";

type Props = { gateway: Gateway; inbox: Inbox; seen: (id: string) => void; close: () => void };

/** Beside the page: what the agent told or will tell, what it does, and what it has learned about telling. */
export function InboxDrawer({ gateway, inbox, seen, close }: Props) {
  const [chosen, setChosen] = useState<TabName>("notifications");
  const tabs: readonly Tab<TabName>[] = [
    // What is shown is being seen.
    { name: "notifications", label: "Notifications", count: chosen === "notifications" ? "" : countOf(inbox) },
    { name: "tasks", label: "Tasks" },
    { name: "preferences", label: "Preferences" },
  ];
  return (
    <Drawer title="Notifications and tasks" close={close}>
      <Tabs label="Notifications and tasks" tabs={tabs} chosen={chosen} choose={setChosen}>
        {chosen === "notifications" && <NotificationList gateway={gateway} arrivals={inbox.arrivals} seen={seen} />}
        {chosen === "tasks" && <TaskList gateway={gateway} />}
        {chosen === "preferences" && <Preferences gateway={gateway} />}
      </Tabs>
    </Drawer>
  );
}
