import { useCallback, useEffect, useState } from "react";

import { sentenceOf, type Gateway } from "../gateway/gateway";
import { AddTarget } from "./add-target";
import { remember, subscribe, subscribedTarget, unsubscribe, obstacleOf, thisBrowser } from "./browser-push";
import { WebhookSecret } from "./webhook-secret";
import { nameOfChannel, REACHES, type NewTarget, type Target } from "./target";

type Props = {
  gateway: Gateway;
  pushKey: string | undefined;
  /** Whether it is known if there is a key. */
  isKnown: boolean;
};

/** Where this person is told beside this page. */
export function Targets({ gateway, pushKey, isKnown }: Props) {
  const [targets, setTargets] = useState<readonly Target[] | undefined>(undefined);
  const [ownId, setOwnId] = useState<string | undefined>(undefined);
  const [secretOf, setSecretOf] = useState<Target | undefined>(undefined);
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const obstacle = isKnown ? obstacleOf(thisBrowser(), pushKey) : undefined;
  const isOwnOn = targets?.some((target) => target.target_id === ownId) ?? false;

  const look = useCallback(async () => {
    try {
      setTargets(await gateway.targets());
      setOwnId(await subscribedTarget());
    } catch (error) {
      setProblem(sentenceOf(error));
    }
  }, [gateway]);

  useEffect(() => {
    void look();
  }, [look]);

  /** Whether it was done. */
  const run = async (work: () => Promise<void>) => {
    setIsBusy(true);
    setProblem("");
    try {
      await work();
      await look();
      return true;
    } catch (error) {
      setProblem(sentenceOf(error));
      return false;
    } finally {
      setIsBusy(false);
    }
  };

  const add = (wanted: NewTarget) =>
    run(async () => {
      const added = await gateway.addTarget(wanted);
      setSecretOf(added.secret === undefined ? undefined : added);
    });

  const notifyHere = (key: string) =>
    run(async () => {
      const added = await gateway.addTarget({ channel: "push", subscription: await subscribe(key) });
      remember(added.target_id);
    });

  const remove = (target: Target) =>
    run(async () => {
      await gateway.removeTarget(target.target_id);
      if (target.target_id === ownId) await unsubscribe();
      if (target.target_id === secretOf?.target_id) setSecretOf(undefined);
    });

  return (
    <>
      {isOwnOn ? (
        <p>This browser is notified, also while the page is closed.</p>
      ) : (
        <>
          <button
            type="button"
            className="notify-here"
            disabled={isBusy || pushKey === undefined || obstacle !== undefined}
            onClick={() => {
              if (pushKey !== undefined) void notifyHere(pushKey);
            }}
          >
            Notify me in this browser
          </button>
          <p className="about">Also while this page is closed: encrypted, through the push service of your browser's maker.</p>
          {obstacle !== undefined && <p className="refusal">{obstacle}</p>}
        </>
      )}
      <p role="alert" className="refusal">
        {problem === obstacle ? "" : problem}
      </p>
      <ul className="rows">
        {targets?.map((target) => (
          <li key={target.target_id}>
            <div className="row-words">
              <p>
                {nameOfChannel(target.channel)}
                {target.target_id === ownId && " (this one)"}: <span dir="auto">{target.address}</span>
              </p>
              <p className="about">{REACHES[target.least_urgency]}</p>
              {target.broken !== "" && <p className="refusal">Nothing reaches it: {target.broken}</p>}
            </div>
            <button
              type="button"
              disabled={isBusy}
              aria-label={`Remove ${nameOfChannel(target.channel)}: ${target.address}`}
              onClick={() => void remove(target)}
            >
              Remove
            </button>
          </li>
        ))}
      </ul>
      {secretOf?.secret !== undefined && <WebhookSecret secret={secretOf.secret} address={secretOf.address} />}
      <AddTarget isBusy={isBusy} add={add} />
    </>
  );
}
