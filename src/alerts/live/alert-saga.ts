import { type ICommand, type IEvent, ofType, Saga } from '@nestjs/cqrs';
import { map, type Observable } from 'rxjs';
import { AlertTransitioned, PublishAlert } from './publish-alert.js';

/**
 * Turns transitions into commands that publish them. A throw inside of this stream would end it for good, so there is
 * nothing in it that could throw.
 */
export class AlertSaga {
  @Saga()
  readonly publishTransitions = (events: Observable<IEvent>): Observable<ICommand> =>
    events.pipe(ofType(AlertTransitioned), map(toCommand));
}

function toCommand({ message, lastSequence }: AlertTransitioned): PublishAlert {
  return new PublishAlert(message, lastSequence);
}
