// Sends IMAGE messages with the C++ library: sender HOST PORT WIDTH HEIGHT COUNT RATE_HZ; tells how many were sent
// and the last STRING that came back. Debian's library is 1.11: header version 1, without metadata.
#include <igtlClientSocket.h>
#include <igtlImageMessage.h>
#include <igtlOSUtil.h>
#include <igtlStringMessage.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

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

int main(int, char** arguments) {
  const int width = std::atoi(arguments[3]), height = std::atoi(arguments[4]), count = std::atoi(arguments[5]);
  const double rate_hz = std::atof(arguments[6]);
  igtl::ClientSocket::Pointer socket = igtl::ClientSocket::New();
  if (socket->ConnectToServer(arguments[1], std::atoi(arguments[2])) != 0) return 1;
  socket->SetReceiveTimeout(5000);
  int size[] = {width, height, 1}, offset[] = {0, 0, 0};
  float spacing[] = {0.2f, 0.2f, 1.0f};
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
    unsigned char* pixel = static_cast<unsigned char*>(image->GetScalarPointer());
    for (int row = 0; row < height; ++row)
      for (int column = 0; column < width; ++column)
        *pixel++ = static_cast<unsigned char>((row < height / 3 ? 160 : 40) +
                                              (row / 16 * 7 + (column + 5 * sent) / 16 * 13) % 41);
    image->Pack();
    if (!socket->Send(image->GetPackPointer(), image->GetPackSize())) break;
    std::this_thread::sleep_until(start + std::chrono::duration<double>((sent + 1) / rate_hz));
  }
  std::printf("{\"sent\": %d, \"answer\": %s}\n", sent, answer_from(socket).c_str());
  socket->CloseSocket();
  return 0;
}
