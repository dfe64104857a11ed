// Sends IMAGE messages with the C++ library: sender HOST PORT WIDTH HEIGHT COUNT RATE_HZ; tells how many were sent, in
// what time, its own processor time, and the last STRING that came back. Debian's library is 1.11: header version 1,
// without metadata.
#include <igtlClientSocket.h>
#include <igtlImageMessage.h>
#include <igtlOSUtil.h>
#include <igtlStringMessage.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

// The last STRING of the next second; what is left unread when a socket closes would cost the receiver its last bytes.
static std::string answer_from(igtl::ClientSocket* socket) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  std::string answer = "null";
  while (std::chrono::steady_clock::now() < end) {
    igtl::MessageHeader::Pointer header = igtl::MessageHeader::New();
    header->InitPack();
    bool timeout = false;
    if (socket->Receive(header->GetPackPointer(), header->GetPackSize(), timeout) != header->GetPackSize()) break;
    header->Unpack();
    if (std::strcmp(header->GetDeviceType(), "STRING") != 0) {
      socket->Skip(header->GetBodySizeToRead(), 0);
      continue;
    }
    igtl::StringMessage::Pointer text = igtl::StringMessage::New();
    text->SetMessageHeader(header);
    text->AllocatePack();
    socket->Receive(text->GetPackBodyPointer(), text->GetPackBodySize(), timeout);
    answer = text->Unpack(1) & igtl::MessageHeader::UNPACK_BODY ? text->GetString() : "damaged";
  }
  return answer;
}

// Speckle that moves, brighter above.
static std::vector<unsigned char> picture_from_number(int number, int width, int height) {
  std::vector<unsigned char> pixels;
  pixels.reserve(static_cast<size_t>(width) * height);
  for (int row = 0; row < height; ++row)
    for (int column = 0; column < width; ++column)
      pixels.push_back(static_cast<unsigned char>((row < height / 3 ? 160 : 40) +
                                                  (row / 16 * 7 + (column + 5 * number) / 16 * 13) % 41));
  return pixels;
}

int main(int, char** arguments) {
  const int width = std::atoi(arguments[3]), height = std::atoi(arguments[4]), count = std::atoi(arguments[5]);
  const double rate_hz = std::atof(arguments[6]);
  igtl::ClientSocket::Pointer socket = igtl::ClientSocket::New();
  if (socket->ConnectToServer(arguments[1], std::atoi(arguments[2])) != 0) return 1;
  socket->SetReceiveTimeout(5000);
  int size[] = {width, height, 1}, offset[] = {0, 0, 0};
  float spacing[] = {0.2f, 0.2f, 1.0f};
  std::vector<std::vector<unsigned char>> pictures;
  for (int number = 0; number < 32; ++number) pictures.push_back(picture_from_number(number, width, height));
  const std::clock_t used = std::clock();
  const auto start = std::chrono::steady_clock::now();
  int sent = 0;
  for (; sent < count; ++sent) {
    igtl::ImageMessage::Pointer image = igtl::ImageMessage::New();
    image->SetDimensions(size);
    image->SetSpacing(spacing);
    image->SetScalarTypeToUint8();
    image->SetSubVolume(size, offset);
    image->SetDeviceName("Linear");
    image->AllocateScalars();
    const std::vector<unsigned char>& picture = pictures[sent % pictures.size()];
    std::memcpy(image->GetScalarPointer(), picture.data(), picture.size());
    image->Pack();
    if (!socket->Send(image->GetPackPointer(), image->GetPackSize())) break;
    std::this_thread::sleep_until(start + std::chrono::duration<double>((sent + 1) / rate_hz));
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double cpu_ms = 1e3 * static_cast<double>(std::clock() - used) / CLOCKS_PER_SEC;
  std::printf("{\"sent\": %d, \"seconds\": %.3f, \"cpu_ms\": %.1f, \"answer\": %s}\n", sent, seconds, cpu_ms,
              answer_from(socket).c_str());
  socket->CloseSocket();
  return 0;
}
