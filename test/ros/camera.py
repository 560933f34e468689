"""A camera that shows the node one image at a time and waits for the answer."""

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import Image

from ghost_vpr_ros.ros.conversions import header_at, stamp_to_ns
from ghost_vpr_ros.ros.image_conversions import raw_message
from test.ros.processes import holds_soon, wait_until
from test.ros.small_map import view

NODE = '/place_recognition'
ACTIVE = 'answering images'
SECOND_NS = 1_000_000_000


class Camera:
    """Publishes single images; each is answered before the next."""

    def __init__(self, listener, message_type=Image, topic='image'):
        self.answers = listener.listen(DiagnosticStatus, f'{NODE}/status')
        self._publisher = listener.create_publisher(message_type, topic, 10)
        # Or more: nodes of tests before that were killed are remembered for a while.
        wait_until(lambda: self._publisher.get_subscription_count() >= 1)
        wait_until(lambda: listener.count_publishers(f'{NODE}/status') >= 1)

    def show(self, message):
        """The values of the status that answers the message."""
        stamp_ns = str(stamp_to_ns(message.header.stamp))
        found = {}

        def is_answered():
            for answer in map(values_of, list(self.answers)):
                if answer['stamp_ns'] == stamp_ns:
                    found.update(answer)
            return bool(found)

        for tries in range(7):
            # Best effort: what is sent before the other side has found the publisher is lost.
            self._publisher.publish(message)
            if holds_soon(is_answered, timeout_s=2.0**tries):
                return found
        raise AssertionError('no answer to an image')


def values_of(status):
    return {item.key: item.value for item in status.values}


def image_of(place, stamp_ns):
    return raw_message(view(place, 6), header_at(stamp_ns, 'front'))
